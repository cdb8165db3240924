package browser

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Twenty browsers on one gateway with 50 values a second: what they cost it, in time of the
// processor and in memory, and whether a client of its broker notices them. The client is
// measured beside twenty streams without browsers: those would take the processor from it.
func TestLongTwentyPagesOnOneGateway(t *testing.T) {
	needLong(t)
	s := gateway(t, many(5, 10, time.Second))
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
	alone, small := measure("nobody looks")
	before := s.roundTrips(300)
	t.Logf("nobody looks: a message comes back after %v (median), %v at worst", before[len(before)/2], before[len(before)-1])

	t.Run("streams", func(t *testing.T) {
		for range 20 {
			r, err := http.Get(s.address() + "api/v1/events")
			if err != nil || r.StatusCode != http.StatusOK {
				t.Fatal(r, err)
			}
			t.Cleanup(func() { r.Body.Close() })
			go io.Copy(io.Discard, r.Body) // until it is closed
		}
		with := s.roundTrips(300)
		t.Logf("20 streams: a message comes back after %v (median), %v at worst", with[len(with)/2], with[len(with)-1])
		if was, is := before[len(before)/2], with[len(with)/2]; is > 2*was+time.Millisecond {
			t.Errorf("with 20 streams a message comes back after %v, without after %v", is, was)
		}
	})
	for range 20 {
		open(t, s.address(), desktop)
	}
	share, large := measure("20 pages")
	if share > 0.05 {
		t.Errorf("with 20 pages the gateway takes %.1f %% of a core (%.1f %% without), want at most 5", share*100, alone*100)
	}
	if large > small+6e6 {
		t.Errorf("with 20 pages the gateway holds %.1f MB more, want at most 6", float64(large-small)/1e6)
	}
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
