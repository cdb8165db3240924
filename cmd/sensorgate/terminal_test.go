package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/internal/freeport"
)

// asProgram in the environment makes the test binary the program itself.
const asProgram = "SENSORGATE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// onTerminal starts the program on a terminal of its own and returns what it shows.
func onTerminal(t *testing.T, args ...string) *bufio.Reader {
	t.Helper()
	return onTerminalOf(t, 200, 50, args...)
}

func onTerminalOf(t *testing.T, columns, rows uint16, args ...string) *bufio.Reader {
	t.Helper()
	screen, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	t.Cleanup(func() { screen.Close() })
	tty, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	if err := screen.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(screen)
}

const (
	evil  = "\x1b]0;owned\x07\u202e"
	tamed = `\x1b]0;owned\x07\u202e`
)

// What status prints goes on below where the terminal is narrow: the program itself, as it is typed.
func TestStatusFitsTheTerminalItIsTypedOn(t *testing.T) {
	port := strconv.Itoa(freeport.Port(t))
	dir := t.TempDir()
	config := writeConfig(t, fmt.Sprintf("node = \"n\"\ndata = \"\"\nbroker.listen = [\"tcp://127.0.0.1:%s\"]\n[device.hand]\ndriver = \"modbus\"\ntcp = \"127.0.0.1:1\"\nchannels.volt = { input = 0 }\n", port))
	t.Setenv("RUNTIME_DIRECTORY", dir)
	running(t, config, port)
	shows, err := io.ReadAll(onTerminalOf(t, 40, 14, "status", "-c", config))
	if len(shows) == 0 {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(shows)) {
		if line = strings.TrimRight(line, "\r\n"); utf8.RuneCountInString(line) > 40 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
}

// A client that publishes escape sequences cannot work the terminal of whoever looks.
func TestSubOnATerminalEscapesWhatStrangersPublish(t *testing.T) {
	port := startBroker(t, "")
	must(t, evil, "pub", "-p", port, "-t", "a/"+"\u202e", "-r", "-s")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-v"}, `a/\u202e ` + tamed},
		{[]string{"-F", `\e[1m%t\e[0m %p`}, "\x1b[1m" + `a/\u202e` + "\x1b[0m " + tamed},
	} {
		shows := onTerminal(t, append([]string{"sub", "-h", "127.0.0.1", "-p", port, "-t", "a/#", "-C", "1"}, c.args...)...)
		if line, err := shows.ReadString('\n'); strings.TrimRight(line, "\r\n") != c.want {
			t.Errorf("sub %v shows %q, %v, want %q", c.args, line, err, c.want)
		}
	}
	// Into a file or a pipe the bytes go as they came.
	if got := must(t, "", "sub", "-p", port, "-t", "a/#", "-C", "1"); got != evil+"\n" {
		t.Errorf("into a pipe sub prints %q", got)
	}
}

// Errors carry names and reasons from outside too.
func TestErrorsOnATerminalAreEscaped(t *testing.T) {
	shows := onTerminal(t, "sub", "-t", "a", "-L", "mqtt://127.0.0.1:1/"+evil)
	if line, err := shows.ReadString('\n'); strings.ContainsAny(line, "\x1b\x07") || line == "" {
		t.Errorf("shows %q, %v", line, err)
	}
}

func TestByteViewEscapesWhatTheDeviceSends(t *testing.T) {
	var b strings.Builder
	v := &byteView{w: &b}
	v.Readings([]drivers.Reading{{Channel: "c", Value: drivers.Text(evil)}})
	v.Health("", drivers.Health{Error: evil})
	if got := b.String(); strings.Contains(got, "\x1b") || strings.Count(got, tamed) != 2 {
		t.Errorf("sniff shows %q", got)
	}
}

func TestReadEscapesWhatTheDeviceSends(t *testing.T) {
	master, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	defer master.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if serial.AwaitOpen(ctx, master, path) != nil { // lines before that would be thrown away
			return
		}
		for {
			if _, err := master.WriteString(evil + "\n"); err != nil {
				return // closed
			}
		}
	}()
	config := writeConfig(t, "node = \"n\"\ndata = \"\"\n[device.a]\ndriver = \"lines\"\nserial = { port = \""+path+"\", line = \"9600 8N1\" }\nmatch = '^(?P<v>.*)$'\n[device.a.channels]\nv = { type = \"text\" }\n")
	out, err := with(t, "", "read", "a", "-c", config)
	if err != nil || strings.Contains(out, "\x1b") || !strings.Contains(out, tamed) {
		t.Errorf("read prints %q, %v", out, err)
	}
}
