package budget

import (
	"sync"
	"testing"
)

const mib = 1 << 20

func TestOneClientHasAnEighth(t *testing.T) {
	b := New(64 * mib)
	a := b.Client("", "greedy")
	for range 8 {
		if !a.Charge(Retained, mib) {
			t.Fatal("refused within the share of a client")
		}
	}
	if a.Charge(Retained, 1) {
		t.Error("a client got more than an eighth")
	}
	if b.Refused(Retained) != 1 {
		t.Errorf("%d refusals counted, want 1", b.Refused(Retained))
	}
	if !b.Client("", "other").Charge(Retained, mib) {
		t.Error("another client is refused for what the first one has")
	}
	a.Release(Retained, 8*mib)
	if b.UsedFor(Retained) != mib || b.Used() != mib || a.Used() != 0 {
		t.Errorf("used %d of %d for retained, %d by the client", b.UsedFor(Retained), b.Used(), a.Used())
	}
}

func TestOneUserHasAHalf(t *testing.T) {
	b := New(64 * mib)
	fill := func(user string) (got int) {
		for i := range 64 {
			if b.Client(user, string(rune('a'+i))).Charge(Sessions, mib) {
				got++
			}
		}
		return got
	}
	if got := fill("ann"); got != 32 {
		t.Errorf("the clients of one user got %d MiB, want 32", got)
	}
	if got := fill("bob"); got != 24 { // the spare eighth is not for sessions
		t.Errorf("the second user got %d MiB, want 24", got)
	}
}

// TestALittleIsThereForEverybody: when all but the spare part is used up, a small buffer
// fits, also of a client that has used up its share; a large one does not.
func TestALittleIsThereForEverybody(t *testing.T) {
	b := New(64 * mib)
	b.Own().Force(Retained, 56*mib)
	a := b.Client("", "good")
	if a.Charge(Sessions, 4096) {
		t.Error("a session fits although only the spare part is left")
	}
	if !a.Charge(Buffers, 128<<10) {
		t.Error("a client gets no buffer")
	}
	full := b.Client("", "full")
	full.Force(Retained, 9*mib)
	b.Own().Release(Retained, 9*mib)
	if !full.Charge(Buffers, 128<<10) {
		t.Error("a client that has used up its share gets no buffer")
	}
	if a.Charge(Buffers, 256<<10) {
		t.Error("a client got a large buffer from the spare part")
	}
}

func TestCachesHaveAnEighth(t *testing.T) {
	b := New(64 * mib)
	a := b.Own()
	if !a.Charge(Routes, 8*mib) || a.Charge(Routes, 1) {
		t.Error("routes are not held to an eighth")
	}
	if !a.Charge(Logins, 8*mib) || a.Charge(Logins, 1) {
		t.Error("logins are not held to an eighth")
	}
}

// TestAccountsAreForgotten: a client id that is gone leaves nothing, one that is still
// charged is found again while somebody holds it.
func TestAccountsAreForgotten(t *testing.T) {
	b := New(mib)
	a := b.Client("ann", "x")
	if b.Client("ann", "x") != a || b.Client("bob", "x") == a {
		t.Error("accounts are not by user and client id")
	}
	a.Charge(Retained, 100)
	a.Hold() // the retained message
	a.Close()
	a.Close()
	if b.Client("ann", "x") != a {
		t.Error("the account of a retained message was forgotten")
	}
	a.Close()
	a.Release(Retained, 100)
	a.Close()
	if b.Client("ann", "x") == a {
		t.Error("an account that nobody holds was not forgotten")
	}
}

func TestChargesFromManyGoroutinesAddUp(t *testing.T) {
	b := New(64 * mib)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a := b.Client("u", "c")
			for range 1000 {
				if a.Charge(Buffers, 100) {
					a.Release(Buffers, 100)
				}
			}
			a.Close()
		})
	}
	wg.Wait()
	if b.Used() != 0 || b.UsedFor(Buffers) != 0 || len(b.clients) != 0 || len(b.users) != 0 {
		t.Errorf("used %d, output %d, %d clients, %d users; want nothing", b.Used(), b.UsedFor(Buffers), len(b.clients), len(b.users))
	}
}
