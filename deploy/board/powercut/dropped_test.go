package powercut

import (
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"time"

	"sensorgate/internal/journal"
)

// Parties for which there is more than there is room.
const (
	behindName = "behind" // has a session and is away
	goneName   = "gone"   // an upstream that is not there
)

// spool lets the upstream come that was never there. It gets the newest messages, each once, and is told how many it
// does not get: as many as were counted.
func (i *image) spool(l net.Listener, waiting, dropped uint64) error {
	p := i.led.parties[goneName]
	u := &upstream{c: client{led: i.led, p: p}}
	go u.serve(i.ctx, l)
	done := func() bool {
		return uint64(len(p.got[topicExact])) >= waiting && len(p.in) == 0 && u.lost >= dropped || len(i.led.faults) > 0
	}
	came := i.led.wait(giveUp, done)
	i.led.mu.Lock()
	defer i.led.mu.Unlock()
	if !came || u.lost != dropped {
		return fmt.Errorf("%s: %d messages came and %d are reported as lost, %d waited and %d were counted as dropped", goneName, len(p.got[topicExact]), u.lost, waiting, dropped)
	}
	return i.led.newest(p, topicExact, int(dropped))
}

// queue lets the client come that has not fetched anything, stops the gateway and compares what the store has counted
// for its queue with what did not come.
func (i *image) queue() error {
	p := i.led.parties[behindName]
	promised := p.since != 0
	i.client(behindName)
	came := i.led.wait(giveUp, func() bool {
		sent := len(i.led.msgs[topicBulk])
		return p.since != 0 && (!promised || p.got[topicBulk][sent] > 0) && len(p.in) == 0 || len(i.led.faults) > 0
	})
	if !came {
		return fmt.Errorf("%s: %d of %d messages came, not the newest", behindName, len(p.got[topicBulk]), len(i.led.msgs[topicBulk]))
	}
	if err := i.stop(); err != nil || !promised {
		return err
	}
	store, err := journal.Inspect(filepath.Join(i.dir, "files", "store"))
	if err != nil {
		return err
	}
	defer store.Close()
	for _, q := range store.Queues {
		if q.Name == "session/"+behindName {
			i.led.mu.Lock()
			defer i.led.mu.Unlock()
			return i.led.newest(p, topicBulk, int(q.DroppedFull))
		}
	}
	return fmt.Errorf("the store has no queue of %s", behindName)
}

// newest reports an error unless a party got all messages of a topic but the oldest ones, which were dropped. The
// ledger is locked.
func (l *ledger) newest(p *party, topic string, dropped int) error {
	sent := len(l.msgs[topic])
	for n := dropped + 1; n <= sent; n++ {
		if p.got[topic][n] == 0 {
			return fmt.Errorf("%s: %s %d did not come, and only %d are counted as dropped", p.name, topic, n, dropped)
		}
	}
	if len(p.got[topic]) != sent-dropped {
		return fmt.Errorf("%s: %d of %d messages of %s came, and %d are counted as dropped", p.name, len(p.got[topic]), sent, topic, dropped)
	}
	return nil
}

// stop ends the gateway as systemd does, when everybody has left.
func (i *image) stop() error {
	i.leave()
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-i.ended:
	case <-time.After(giveUp):
		return fmt.Errorf("the gateway does not stop")
	}
	if !i.cmd.ProcessState.Success() {
		return fmt.Errorf("the gateway ended with %v", i.cmd.ProcessState)
	}
	return nil
}
