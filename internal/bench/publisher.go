package bench

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// publisher sends its share of a workload.
type publisher struct {
	*client
	index    uint32
	work     *Workload
	count    int // messages to send
	pace     time.Duration
	credit   *credit // QoS 0
	packet   []byte  // PUBLISH, to be patched
	idAt     int
	number   int
	inFlight int
}

// credit holds QoS 0 publishers back until the subscribers have got enough.
type credit struct {
	mu   sync.Mutex
	free sync.Cond
	left int
	over bool // the run ends
}

func newCredit(n int) *credit {
	c := &credit{left: n}
	c.free.L = &c.mu
	return c
}

// take waits for some and takes up to limit; 0 when the run ends.
func (c *credit) take(limit int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left <= 0 && !c.over {
		c.free.Wait()
	}
	if c.over {
		return 0
	}
	n := min(limit, c.left)
	c.left -= n
	return n
}

func (c *credit) give(n int) {
	c.mu.Lock()
	c.left += n
	c.mu.Unlock()
	c.free.Broadcast()
}

func (c *credit) end() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.free.Broadcast()
}

func newPublisher(c *client, index int, w *Workload, cr *credit) *publisher {
	topic := fmt.Sprintf("bench/%d", index)
	p := &publisher{client: c, index: uint32(index), work: w, credit: cr, count: w.Messages / w.Publishers}
	if w.Rate > 0 {
		p.pace = time.Second * time.Duration(w.Publishers) / time.Duration(w.Rate)
	}
	p.packet = mqtt.AppendPublish(nil, mqtt.Level311, w.QoS<<1, topic, 1, nil, make([]byte, w.Size))
	p.idAt = len(p.packet) - w.Size - 2
	return p
}

// run sends all and waits for the acknowledgements.
func (p *publisher) run() error {
	if p.pace > 0 {
		return p.runPaced()
	}
	for p.number < p.count || p.inFlight > 0 {
		if p.work.QoS == 0 {
			n := p.credit.take(min(256, p.count-p.number))
			if n == 0 {
				return nil
			}
			p.add(n)
			if err := p.flush(); err != nil {
				return err
			}
			continue
		}
		// Refill when half of the window is free: one message per acknowledgement would
		// have the generator, not the broker, be what is measured.
		if 2*p.inFlight <= p.work.Window {
			p.add(min(p.work.Window-p.inFlight, p.count-p.number))
			if err := p.flush(); err != nil {
				return err
			}
		}
		if err := p.acknowledged(); err != nil {
			return err
		}
	}
	return nil
}

// runPaced sends at the workload's rate; publishers start at different phases.
func (p *publisher) runPaced() error {
	acks := make(chan error, 1)
	go func() {
		var err error
		for n := 0; n < p.count && err == nil; {
			before := p.inFlight
			err = p.acknowledged()
			n += before - p.inFlight
		}
		acks <- err
	}()
	start := time.Now().Add(p.pace * time.Duration(p.index) / time.Duration(p.work.Publishers))
	for i := range p.count {
		time.Sleep(time.Until(start.Add(p.pace * time.Duration(i))))
		b := p.stamped()
		if _, err := p.nc.Write(b); err != nil {
			return err
		}
	}
	return <-acks
}

func (p *publisher) add(n int) {
	for range n {
		p.out = append(p.out, p.stamped()...)
	}
	if p.work.QoS > 0 {
		p.inFlight += n
	}
}

// stamped returns the next packet; it is valid until the next call.
func (p *publisher) stamped() []byte {
	payload := p.packet[len(p.packet)-p.work.Size:]
	stamp{p.index, uint32(p.number), monotonic()}.put(payload)
	if p.work.QoS > 0 {
		binary.BigEndian.PutUint16(p.packet[p.idAt:], uint16(p.number%65535)+1)
	}
	p.number++
	return p.packet
}

// acknowledged reads once and takes off what is complete.
func (p *publisher) acknowledged() error {
	if err := p.read(); err != nil {
		return err
	}
	for {
		f, err := p.frame()
		if err != nil {
			return err
		}
		if f.Raw == nil {
			return p.flush()
		}
		switch f.Type {
		case mqtt.PUBACK, mqtt.PUBCOMP:
			p.inFlight--
		case mqtt.PUBREC:
			p.out = mqtt.AppendAck(p.out, mqtt.PUBREL, mqtt.Level311, binary.BigEndian.Uint16(f.Body), mqtt.Success)
		default:
			return fmt.Errorf("publisher got %v", f.Type)
		}
	}
}
