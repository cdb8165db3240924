package permissions

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hashTime is what a hash takes in these tests; a Pi needs longer, a PC less.
const hashTime = 50 * time.Millisecond

// slowVerifier takes hashTime and knows one right password.
func slowVerifier(hashes *atomic.Int64) *Verifier {
	v := NewVerifier()
	v.verify = func(hash string, password []byte) bool {
		hashes.Add(1)
		time.Sleep(hashTime) // of the bubble
		return string(password) == "right "+hash
	}
	return v
}

// flood tries wrong passwords from n goroutines until ctx ends: every one comes back at
// once after a refusal.
func flood(ctx context.Context, v *Verifier, running *sync.WaitGroup, n int, attempt func(i int) Attempt) {
	var number atomic.Int64
	for range n {
		running.Go(func() {
			for ctx.Err() == nil {
				if v.Check(ctx, attempt(int(number.Add(1)))) == Right {
					panic("a wrong password was right")
				}
				time.Sleep(50 * time.Millisecond) // of the bubble: a new connection
			}
		})
	}
}

// A right password gets in within two seconds while others try wrong ones, whoever they
// are: the first login of a user, and the same user from another address.
func TestRightPasswordDuringAFloodOfWrongOnes(t *testing.T) {
	fresh := func(i int) []byte { return fmt.Appendf(nil, "guess %d", i) }
	same := Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "1"}
	for name, c := range map[string]struct {
		flood func(i int) Attempt
		known bool // it was right before, a while ago
		right Attempt
		few   bool // connections: as many as are through in time
	}{
		"same user and address, never seen": {
			func(i int) Attempt { return Attempt{User: "bob", Hash: "b", Password: fresh(i), From: "1"} }, false, same, true},
		"names that do not exist, same address, never seen": {
			func(i int) Attempt { return Attempt{User: fmt.Sprint("x", i), Password: fresh(i), From: "1"} }, false, same, true},
		"a few users, same address, never seen": {
			func(i int) Attempt {
				return Attempt{User: fmt.Sprint("x", i%5), Password: fresh(i), From: "1"}
			}, false, same, false},
		"another user, same address": {
			func(i int) Attempt { return Attempt{User: "ann", Hash: "a", Password: fresh(i), From: "1"} }, false,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "1"}, false},
		"same user, another address": {
			func(i int) Attempt { return Attempt{User: "bob", Hash: "b", Password: fresh(i), From: "1"} }, false,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "2"}, false},
		"names that do not exist, another address": {
			func(i int) Attempt { return Attempt{User: fmt.Sprint("x", i), Password: fresh(i), From: "1"} }, false,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "2"}, false},
		"same user and address, one wrong password": {
			func(int) Attempt { return Attempt{User: "bob", Hash: "b", Password: []byte("old"), From: "1"} }, false,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "1"}, false},
		"same user and address, seen before": {
			func(i int) Attempt { return Attempt{User: "bob", Hash: "b", Password: fresh(i), From: "1"} }, true,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "1"}, false},
		"names that do not exist, same address, seen before": {
			func(i int) Attempt { return Attempt{User: fmt.Sprint("x", i), Password: fresh(i), From: "1"} }, true,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "1"}, false},
		"hundred addresses": {
			func(i int) Attempt {
				return Attempt{User: "bob", Hash: "b", Password: fresh(i), From: fmt.Sprint(i % 60)}
			}, false,
			Attempt{User: "bob", Hash: "b", Password: []byte("right b"), From: "honest"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hashes atomic.Int64
				v := slowVerifier(&hashes)
				if c.known {
					if got := v.Check(t.Context(), c.right); got != Right {
						t.Fatalf("verdict %v", got)
					}
					time.Sleep(rememberFor + time.Minute)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				n := 200
				if c.few {
					n = 20
				}
				flood(ctx, v, &running, n, c.flood)
				time.Sleep(10 * time.Second)
				begin := time.Now()
				got := v.Check(t.Context(), c.right)
				if took := time.Since(begin); got != Right || took > 2*time.Second {
					t.Errorf("verdict %v after %v", got, took)
				}
				v.mu.Lock()
				if v.turns.pending > maxPending || int(v.pausing.Load()) > 200 || len(v.turns.failures) > maxFailureLog {
					t.Errorf("%d attempts wait, %d failures are remembered", v.turns.pending, len(v.turns.failures))
				}
				v.mu.Unlock()
				cancel()
				running.Wait()
				v.mu.Lock()
				defer v.mu.Unlock()
				if v.running != 0 || v.turns.pending != 0 || len(v.turns.addresses) != 0 || len(v.turns.preferred) != 0 {
					t.Errorf("left over: %d running, %+v", v.running, v.turns)
				}
			})
		})
	}
}

// Overload is Busy, also for a right password, and never Wrong.
func TestOverloadIsNeverAWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hashes atomic.Int64
		v := slowVerifier(&hashes)
		var verdicts [3]atomic.Int64
		var all sync.WaitGroup
		for i := range 2000 {
			all.Go(func() {
				h := fmt.Sprint(i)
				verdicts[v.Check(t.Context(), Attempt{User: h, Hash: h, Password: []byte("right " + h), From: fmt.Sprint(i % 40)})].Add(1)
			})
		}
		all.Wait()
		if verdicts[Wrong].Load() != 0 || verdicts[Busy].Load() == 0 || verdicts[Right].Load() < maxPending/2 {
			t.Errorf("%d right, %d busy, %d wrong", verdicts[Right].Load(), verdicts[Busy].Load(), verdicts[Wrong].Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range hashesAtATime {
			all.Go(func() { v.Check(t.Context(), Attempt{User: "u", Hash: "u", Password: []byte("x")}) })
		}
		synctest.Wait()
		if got := v.Check(ctx, Attempt{User: "z", Hash: "z", Password: []byte("right z")}); got == Wrong {
			t.Error("the end of the time is a wrong password")
		}
		all.Wait()
	})
}

// The answer that there is no turn comes after a while: who asks again at once, and more often
// than others, would have most of the turns. A bounded number of answers is held back.
func TestBusyIsNotAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hashes, soon, later atomic.Int64
		v := slowVerifier(&hashes)
		var all sync.WaitGroup
		begin := time.Now()
		for i := range 1000 {
			all.Go(func() {
				if v.Check(t.Context(), Attempt{User: "bob", Hash: "b", Password: fmt.Appendf(nil, "guess %d", i), From: "1"}) == Busy {
					if time.Since(begin) < busyPause {
						soon.Add(1)
					} else {
						later.Add(1)
					}
				}
			})
		}
		all.Wait()
		if later.Load() != maxPausing || soon.Load() == 0 {
			t.Errorf("%d answers were held back, want %d; %d came at once", later.Load(), maxPausing, soon.Load())
		}
	})
}

// Guesses become slower, and what was guessed before costs no hash: who has not found the
// password after some thousand tries has one a second.
func TestGuessesAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hashes atomic.Int64
		v := slowVerifier(&hashes)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var running sync.WaitGroup
		flood(ctx, v, &running, 100, func(i int) Attempt {
			return Attempt{User: "bob", Hash: "b", Password: fmt.Appendf(nil, "guess %d", i), From: "1"}
		})
		time.Sleep(5 * time.Minute)
		if n := hashes.Load(); n < fastGuesses || n > fastGuesses+5*60+1 {
			t.Errorf("%d guesses in five minutes, want %d and one a second", n, fastGuesses)
		}
		before := hashes.Load()
		time.Sleep(time.Minute)
		if n := hashes.Load() - before; n > 75 {
			t.Errorf("%d guesses in a minute, at most one a second after the first", n)
		}
		time.Sleep(time.Minute)
		cancel()
		running.Wait()
		// It comes back as if it was another: nothing is forgotten within the minute.
		time.Sleep(2 * forgiveAfter)
		if n := v.turns.count(origin{"1", "bob"}, time.Now()); n < fastGuesses/2 {
			t.Errorf("two minutes later %d failures are remembered", n)
		}
		v = slowVerifier(&hashes)
		before = hashes.Load()
		for range 100 {
			v.Check(t.Context(), Attempt{User: "ann", Hash: "a", Password: []byte("old"), From: "9"})
		}
		if n := hashes.Load() - before; n != 1 {
			t.Errorf("a wrong password tried 100 times costs %d hashes", n)
		}
		if v.Check(t.Context(), Attempt{User: "ann", Hash: "a", Password: []byte(strings.Repeat("x", MaxPassword+1)), From: "9"}) != Wrong || hashes.Load()-before != 1 {
			t.Error("a password that is too long was hashed")
		}
	})
}

// A name of 60 KB that does not exist is refused unread, as a password is: what is remembered of
// failures were 4,096 of them.
func TestNamesThatAreTooLongAreNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hashes atomic.Int64
		v := slowVerifier(&hashes)
		for i := range 50 {
			name := fmt.Sprint(i, strings.Repeat("x", 60_000))
			if got := v.Check(t.Context(), Attempt{User: name, Password: fmt.Append(nil, "guess", i), From: "1"}); got != Wrong {
				t.Errorf("verdict %v", got)
			}
		}
		bytes := 0
		for who := range v.turns.failures {
			bytes += len(who.user)
		}
		if bytes > 50*MaxPassword || hashes.Load() > 0 {
			t.Errorf("%d bytes of names are remembered, %d hashes were worked out", bytes, hashes.Load())
		}
		long := strings.Repeat("y", 2*MaxPassword) // if somebody has written it into the file
		if got := v.Check(t.Context(), Attempt{User: long, Hash: "y", Password: []byte("right y"), From: "1"}); got != Right {
			t.Errorf("a user with a long name: verdict %v", got)
		}
	})
}
