package journal

import (
	"math/rand/v2"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// A store of format 1 has its states in one file alone. From its first start with this program on they stand twice: the loss of
// that file costs the messages in it, and no session.
func TestSessionsOfAnOldStoreOutliveItsFile(t *testing.T) {
	for _, damage := range []string{"none", "file"} {
		fs := crashdisk.New(rand.New(rand.NewPCG(1, 33)))
		oldStore(t, fs, []string{"session/a", "session/b"})
		o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, FreeFloor: -1}
		j := reopen(t, o)
		if n := len(readAll(t, openQueue(t, j, "session/a", Limits{}))); n != 1 {
			t.Fatalf("%d messages wait, want 1", n)
		}
		fs.Cut() // right after the start
		if damage == "file" {
			if err := fs.Remove("d/" + slotName(1)); err != nil {
				t.Fatal(err)
			}
		}
		j = reopen(t, o)
		if n := len(j.Queues("session/")); n != 2 {
			t.Errorf("damage %s: %d of 2 sessions are there", damage, n)
		}
		if s := j.Stats(); (s.Damaged > 0) != (damage == "file") {
			t.Errorf("damage %s: %d reported lost", damage, s.Damaged)
		}
	}
}
