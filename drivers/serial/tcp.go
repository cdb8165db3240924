package serial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"sensorgate/drivers"
)

const dialTimeout = 5 * time.Second

// tcp is a connection to a serial server (ser2net, Moxa in TCP mode, a Modbus
// gateway): bytes are passed on as they are.
type tcp struct{ net.Conn }

func openTCP(ctx context.Context, addr string) (*tcp, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrAbsent, err)
	}
	return &tcp{c}, nil
}

func (t *tcp) Read(p []byte) (int, error) {
	t.SetReadDeadline(time.Now().Add(readTick))
	n, err := t.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

func (t *tcp) Write(p []byte) error {
	t.SetWriteDeadline(time.Now().Add(writeSlack))
	_, err := t.Conn.Write(p)
	return err
}

func (t *tcp) SetLine(Line) error {
	return errors.New("the speed of a serial server is set on the server itself")
}

// memory is a connection without a wire: the ends of a pipe.
type memory struct{ tcp }

func (*memory) SetLine(Line) error { return nil }
