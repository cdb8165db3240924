package serialtest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// Simulator is the device at the far end of a wire: one that speaks by itself (Pushes),
// one that answers (Answer), or both.
type Simulator struct {
	Pushes []byte        // what the device sends by itself; nil: nothing
	Every  time.Duration // how often it does

	// Answer returns what the device sends when it has heard request, which is everything
	// since its last answer; nil while the request is not whole, or not for it.
	Answer func(request []byte) []byte
}

// Wire is a wire in memory with a Simulator at its far end, for testing/synctest: all
// its goroutines end when the bus does. It may be unplugged, and have a Fault.
type Wire struct {
	sim Simulator

	mu      sync.Mutex
	absent  bool
	fault   Fault
	present net.Conn // the far end, while somebody has the near one open
}

// NewWire makes a healthy, plugged-in wire.
func NewWire(sim Simulator) *Wire { return &Wire{sim: sim, fault: Healthy} }

// Bus makes a bus on the wire, which the caller runs.
func (w *Wire) Bus(o serial.PortOptions) *serial.Bus {
	return serial.NewBusOver("wire", o, w.connect, Quiet())
}

// SetFault sets what happens to everything that the device sends from now on.
func (w *Wire) SetFault(f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Unplug takes the adapter out: the open port is lost, and none can be opened.
func (w *Wire) Unplug() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.absent = true
	if w.present != nil {
		w.present.Close()
	}
}

// Plug puts the adapter back.
func (w *Wire) Plug() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.absent = false
}

// connect opens the near end and lets the simulator serve the far one.
func (w *Wire) connect(context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.absent {
		return nil, errors.New("unplugged")
	}
	near, far := net.Pipe()
	w.present = far
	go w.serve(far)
	return near, nil
}

// serve plays the device until the connection ends.
func (w *Wire) serve(far net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	// One goroutine sends: a device ends one answer before it begins the next, and
	// listens all the time.
	answers := make(chan delivery, 1000)
	others.Go(func() { w.send(ctx, far, answers) })
	if len(w.sim.Pushes) > 0 {
		others.Go(func() {
			for drivers.Sleep(ctx, w.sim.Every) {
				select {
				case answers <- w.deliver(w.sim.Pushes):
				case <-ctx.Done():
				}
			}
		})
	}
	var heard []byte
	buf := make([]byte, 1024)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return // the bus has closed its end, or the wire was unplugged
		}
		if w.sim.Answer == nil {
			continue
		}
		heard = append(heard, buf[:n]...)
		if answer := w.sim.Answer(heard); answer != nil {
			heard = heard[:0]
			answers <- w.deliver(answer)
		}
	}
}

// delivery is what arrives of something that was sent, the first piece counted from at.
type delivery struct {
	at     time.Time
	pieces []Piece
}

// deliver lets the fault have the bytes.
func (w *Wire) deliver(p []byte) delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return delivery{time.Now(), w.fault(p)}
}

// send writes what is delivered until ctx or the connection ends.
func (w *Wire) send(ctx context.Context, far net.Conn, answers <-chan delivery) {
	for {
		var d delivery
		select {
		case d = <-answers:
		case <-ctx.Done():
			return
		}
		for _, piece := range d.pieces {
			if d.at = d.at.Add(piece.After); !drivers.Sleep(ctx, time.Until(d.at)) {
				return
			}
			if _, err := far.Write(piece.Data); err != nil {
				return
			}
		}
	}
}
