package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// SessionInfo is one session as an operator sees it.
type SessionInfo struct {
	Client        string    `json:"client"`
	User          string    `json:"user,omitempty"` // who made it; "" for none
	Connected     bool      `json:"connected"`
	Address       string    `json:"address,omitempty"` // while connected
	Persistent    bool      `json:"persistent"`
	Gone          time.Time `json:"gone,omitzero"`    // when the last connection ended
	Expires       time.Time `json:"expires,omitzero"` // zero: never, or connected
	Subscriptions int       `json:"subscriptions"`
	Waiting       uint64    `json:"waiting"` // messages in the journal
	WaitingBytes  int64     `json:"waiting_bytes"`
}

// ErrNoSession is what removing a session returns when there is none with the client id.
var ErrNoSession = errors.New("no such session")

// Sessions returns all sessions, in the order of their client ids.
func (b *Broker) Sessions() []SessionInfo {
	b.mu.Lock()
	sessions := make([]*session, 0, len(b.sessions))
	for _, s := range b.sessions {
		sessions = append(sessions, s)
	}
	b.mu.Unlock()
	list := make([]SessionInfo, 0, len(sessions))
	for _, s := range sessions {
		if s.isPersistent() || s.connected() { // else it is about to be removed
			list = append(list, s.info())
		}
	}
	sortSessions(list)
	return list
}

func sortSessions(list []SessionInfo) {
	sort.Slice(list, func(i, k int) bool { return list[i].Client < list[k].Client })
}

func (s *session) info() SessionInfo {
	i := SessionInfo{Client: s.id, Persistent: s.isPersistent()}
	if who := s.who.Load(); who != nil {
		i.User = who.User
	}
	s.mu.Lock()
	i.Subscriptions, i.Gone = len(s.subs), s.gone
	if s.conn != nil {
		i.Connected, i.Address, i.Gone = true, s.conn.remote, time.Time{}
	}
	s.mu.Unlock()
	if !i.Connected {
		i.Expires = s.endsAt()
	}
	if s.queue != nil {
		q := s.queue.Stats()
		i.Waiting, i.WaitingBytes = q.Waiting, q.WaitingBytes
	}
	return i
}

// Disconnect ends the connection of a client id; a persistent session stays. ErrNoSession
// if nobody is connected with it.
func (b *Broker) Disconnect(client string) error {
	b.mu.Lock()
	var c *conn
	if s := b.sessions[client]; s != nil {
		c = s.owner
	}
	b.mu.Unlock()
	if c == nil {
		return fmt.Errorf("client %q: %w", client, ErrNoSession)
	}
	c.stop(mqtt.AdministrativeAction)
	b.log.Info("client disconnected", "client", client)
	return nil
}

// RemoveSession ends the session of a client id with all that waits for it: a client that
// is connected is disconnected first. It waits for that until ctx ends. ErrNoSession if
// there is none.
func (b *Broker) RemoveSession(ctx context.Context, client string) error {
	b.mu.Lock()
	s := b.sessions[client]
	var c *conn
	if s != nil {
		c = s.owner
	}
	b.mu.Unlock()
	switch {
	case s == nil:
		return fmt.Errorf("client %q: %w", client, ErrNoSession)
	case c != nil:
		s.mu.Lock()
		s.expiry = 0 // it ends with its connection
		s.mu.Unlock()
		c.stop(mqtt.AdministrativeAction)
		select {
		case <-c.done:
		case <-ctx.Done():
			return fmt.Errorf("client %q: its connection does not end: %w", client, ctx.Err())
		}
	}
	b.mu.Lock()
	var will *delayedWill
	if b.sessions[client] == s && s.owner == nil { // else it has ended, or the client is back with another
		will = s.will
		b.removeLocked(s)
	}
	b.mu.Unlock()
	b.log.Info("session removed", "client", client)
	if will != nil {
		b.publishWill(will) // the session has ended (3.1.3.2.2, v5)
	}
	return nil
}

// StoredSession reads the journal's entry of a persistent session, as a program sees it
// that looks into the store of a gateway that is not running. ok is false for an entry of
// something else.
func StoredSession(key string, value []byte) (i SessionInfo, ok bool, err error) {
	id, ok := strings.CutPrefix(key, keySession)
	if !ok {
		return i, false, nil
	}
	var saved savedSession
	if err := json.Unmarshal(value, &saved); err != nil {
		return SessionInfo{Client: id, Persistent: true}, true, fmt.Errorf("session of client %q: %w", id, err)
	}
	i = SessionInfo{Client: id, User: saved.User, Persistent: true, Subscriptions: len(saved.Subs)}
	if saved.Gone != 0 {
		i.Gone = time.UnixMilli(saved.Gone)
		if saved.Expiry != mqtt.SessionForever {
			i.Expires = i.Gone.Add(time.Duration(saved.Expiry) * time.Second)
		}
	}
	return i, true, nil
}

// StoredQueue is the name of the journal's queue with what waits for a client.
func StoredQueue(client string) string { return queueOut + client }

// RemoveStored removes the session of a client id from a journal that no broker uses.
// ErrNoSession if there is none.
func RemoveStored(j *journal.Journal, client string) error {
	if !slices.Contains(j.Keys(keySession), keySession+client) && !slices.Contains(j.Queues(queueOut), queueOut+client) {
		return fmt.Errorf("client %q: %w", client, ErrNoSession)
	}
	for _, key := range []string{keySession, keyIn, keyOut} {
		j.Delete(key+client, journal.Event)
	}
	var faults []error
	for _, name := range []string{queueOut, queueIn} {
		if slices.Contains(j.Queues(name), name+client) {
			faults = append(faults, j.DropQueue(name+client))
		}
	}
	return errors.Join(faults...)
}
