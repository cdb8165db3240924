package hardware

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// running makes hardware in a directory with a short path.
func running(t *testing.T) *Hardware {
	t.Helper()
	t.Chdir(t.TempDir()) // paths of UNIX sockets are short; relative ones are the shortest
	h, err := New(".")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestCommandsOverThePort(t *testing.T) {
	h := running(t)
	c, err := net.Dial("unix", filepath.Join(h.dir, SocketControl))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for _, q := range []struct{ say, want string }{
		{"gpio get EXT3", "0 0"},
		{"gpio set EXT3 1", "ok"},
		{"gpio get 3", "1 0"},
		{"gpio get EXT99", `error: no line "EXT99"`},
		{"set bme280 celsius 30", "ok"},
		{"set bme280 colour 30", "error:"},
		{"i2c fault 0x76 121 -1", "ok"},
		{"i2c fault 0x7677 121 -1", "error:"},
		{"i2c attach 0x20 teapot", `error: no chip "teapot"`},
		{"serial usb0 got", `""`},
		{"serial usb0 send hello", "error: nobody there"},
		{"usb sideways", "error:"},
		{"", "error: unknown command"},
	} {
		if _, err := fmt.Fprintln(c, q.say); err != nil {
			t.Fatal(err)
		}
		got, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, q.want) {
			t.Errorf("%s: %q, %v, want %q", q.say, got, err, q.want)
		}
	}
}

func TestSerialFarEnd(t *testing.T) {
	h := running(t)
	c, err := net.Dial("unix", filepath.Join(h.dir, SocketTTY))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 5)
	for _, text := range []string{"hello", "again"} { // it echoes until "keep"
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); err != nil || string(b[:n]) != text {
			t.Fatalf("echo of %q is %q, %v", text, b[:n], err)
		}
	}
	if got, err := h.Command("serial ttyS1 got"); err != nil || got != `"helloagain"` {
		t.Errorf("got %s, %v", got, err)
	}
}
