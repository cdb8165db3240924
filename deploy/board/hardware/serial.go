package hardware

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// serialPort is the far end of a serial line; QEMU connects to it.
type serialPort struct {
	mu   sync.Mutex
	echo bool
	conn net.Conn
	got  []byte
}

const keepGot = 1 << 20

// run serves one connection after the other; an unplugged adapter hangs up.
func (p *serialPort) run(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.conn = c
		p.mu.Unlock()
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		p.read(c)
		stop()
		p.mu.Lock()
		p.conn = nil
		p.mu.Unlock()
	}
}

func (p *serialPort) read(c net.Conn) {
	defer c.Close()
	for b := make([]byte, 4096); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.got = append(p.got, b[:n]...)
		if len(p.got) > keepGot {
			p.got = p.got[len(p.got)-keepGot:]
		}
		echo := p.echo
		p.mu.Unlock()
		if echo {
			_, _ = c.Write(b[:n]) // whoever hung up does not wait for it
		}
	}
}

// command does echo, sink, send TEXT and got.
func (p *serialPort) command(verb, arg string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch verb {
	case "echo", "sink":
		p.echo = verb == "echo"
	case "send":
		s, err := strconv.Unquote(`"` + arg + `"`)
		if err != nil {
			return "", fmt.Errorf("%q: %w", arg, err)
		}
		if p.conn == nil {
			return "", errors.New("nobody there")
		}
		if _, err := p.conn.Write([]byte(s)); err != nil {
			return "", err
		}
	case "got":
		s := strconv.Quote(string(p.got))
		p.got = nil
		return s, nil
	default:
		return "", fmt.Errorf("unknown command %q", verb)
	}
	return "ok", nil
}

// qmp runs one command on QEMU's control socket (QEMU Machine Protocol).
func qmp(path, cmd string) (string, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	for _, s := range []string{"", `{"execute":"qmp_capabilities"}`} { // greeting, handshake
		if _, err := ask(c, r, s); err != nil {
			return "", err
		}
	}
	return ask(c, r, cmd)
}

func ask(c net.Conn, r *bufio.Reader, cmd string) (string, error) {
	if cmd != "" {
		if _, err := fmt.Fprintln(c, cmd); err != nil {
			return "", err
		}
	}
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return "", err
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(line, &m); err != nil {
			return "", err
		}
		if m["error"] != nil {
			return "", fmt.Errorf("qmp: %s", m["error"])
		}
		if m["event"] == nil {
			return string(line[:len(line)-1]), nil
		}
	}
}
