package browser

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Twenty browsers on one gateway with 50 values a second: what they cost it, in time of the
// processor and in memory, and whether a client of its broker notices them. The browsers
// have processors of their own, as they have on machines of their own.
func TestLongTwentyPagesOnOneGateway(t *testing.T) {
	needLong(t)
	s := gateway(t, many(5, 10, time.Second))
	apart(t, s.p.cmd.Process.Pid)
	measure := func(what string) (share float64, resident int64) {
		t.Helper()
		cpu, _ := s.p.usage()
		begin := time.Now()
		<-time.After(30 * time.Second)
		after, resident := s.p.usage()
		share = float64(after-cpu) / float64(time.Since(begin))
		t.Logf("%s: %.1f %% of a core, %.1f MB", what, share*100, float64(resident)/1e6)
		return share, resident
	}
	middle := func(what string) time.Duration {
		t.Helper()
		all := s.roundTrips(1000)
		t.Logf("%s: a message comes back after %v (median), %v (p99), %v at worst", what, all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
		return all[len(all)/2]
	}
	alone, small := measure("nobody looks")
	before := middle("nobody looks")
	for range 20 {
		open(t, s.address(), desktop)
	}
	share, large := measure("20 pages")
	with := middle("20 pages")
	if share > 0.05 {
		t.Errorf("with 20 pages the gateway takes %.1f %% of a core (%.1f %% without), want at most 5", share*100, alone*100)
	}
	if large > small+6e6 {
		t.Errorf("with 20 pages the gateway holds %.1f MB more, want at most 6", float64(large-small)/1e6)
	}
	if with > 2*before+time.Millisecond {
		t.Errorf("with 20 pages a message comes back after %v, without after %v", with, before)
	}
}

// apart gives the first processor to the gateway and the test, which is the client, and the
// others to the browser.
func apart(t *testing.T, gateway int) {
	t.Helper()
	if runtime.NumCPU() < 2 {
		t.Log("one processor: the browsers take from the gateway and from its client what they need")
		return
	}
	var first, others unix.CPUSet
	first.Set(0)
	for cpu := 1; cpu < runtime.NumCPU(); cpu++ {
		others.Set(cpu)
	}
	pinned := 0
	for _, pid := range descendants(t, os.Getpid()) {
		set := &others
		if pid == gateway || pid == os.Getpid() {
			set = &first
		}
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid)) // the pattern is right
		for _, task := range tasks {
			id, err := strconv.Atoi(filepath.Base(task))
			if err == nil && unix.SchedSetaffinity(id, set) == nil { // a thread may have ended
				pinned++
			}
		}
	}
	t.Logf("%d threads have their processors", pinned)
}

// descendants are a process and all that it and they have started.
func descendants(t *testing.T, root int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:])) // proc(5): state, parent
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))                      // digits only
		parent, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		children[parent] = append(children[parent], pid)
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

var brokerAt = regexp.MustCompile(`broker ready.*listeners=\[([^\]]+)\]`)

// packet is one of MQTT with less than 128 bytes (2.2.3).
func packet(kind byte, parts ...string) []byte {
	body := strings.Join(parts, "")
	return append([]byte{kind, byte(len(body))}, body...)
}

func prefixed(text string) string { return string([]byte{0, byte(len(text))}) + text } // 1.5.3

// roundTrips are the times, sorted, that n messages of a client of the broker took to come
// back to it, one after the other and a hundred a second.
func (s *station) roundTrips(n int) (all []time.Duration) {
	s.t.Helper()
	var at string
	until(s.t, "the broker", func() bool {
		m := brokerAt.FindStringSubmatch(s.p.text())
		if m != nil {
			at = m[1]
		}
		return m != nil
	})
	c, err := net.Dial("tcp", at)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(longest)) // it is a TCP connection
	say := func(p []byte, answer int) []byte {
		if _, err := c.Write(p); err != nil {
			s.t.Fatal(err)
		}
		b := make([]byte, answer)
		if _, err := io.ReadFull(c, b); err != nil {
			s.t.Fatal(err)
		}
		return b
	}
	// 3.1: clean session with user and password; 3.8; 3.3 with QoS 0.
	if ack := say(packet(0x10, prefixed("MQTT"), "\x04\xc2\x00\x3c", prefixed("honest"), prefixed("ann"), prefixed("annann")), 4); ack[3] != 0 {
		s.t.Fatalf("the broker refuses: %x", ack)
	}
	say(packet(0x82, "\x00\x01", prefixed("honest"), "\x00"), 5)
	for i := range n {
		p := packet(0x30, prefixed("honest"), fmt.Sprintf("%08d", i))
		begin := time.Now()
		if back := say(p, len(p)); !bytes.Equal(back, p) {
			s.t.Fatalf("%x came back as %x", p, back)
		}
		all = append(all, time.Since(begin))
		<-time.After(10 * time.Millisecond)
	}
	slices.Sort(all)
	return all
}

// usage is what a process took of the processor since its start, and its resident memory.
func (p *program) usage() (cpu time.Duration, resident int64) {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:])) // proc(5): from state on
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		return n
	}
	return time.Duration(number(11)+number(12)) * 10 * time.Millisecond, number(21) * int64(os.Getpagesize())
}
