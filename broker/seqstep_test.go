package broker

import (
	"os"
	"testing"

	"sensorgate/internal/journal"
)

// After a crash the Seqs, modulo the 65,535 packet ids of MQTT, must not come near
// those of the runs before: a receiver may still hold them.
func TestCrashMovesPacketIDsFarAway(t *testing.T) {
	const ids = 65535
	for runs := 1; runs <= 20; runs++ {
		d := runs * SeqStep % ids
		if near := min(d, ids-d); near < 1500 {
			t.Errorf("after %d crashes the ids are %d from those of before", runs, near)
		}
	}
}

// The broker's step reaches the journal: a crash skips that many Seqs.
func TestCrashSkipsTheStepOfTheBroker(t *testing.T) {
	var last []journal.Seq
	for dir := t.TempDir(); len(last) < 3; {
		j, err := journal.Open(journal.Options{Dir: dir, Size: 16 << 20, FreeFloor: 1, SeqStep: SeqStep})
		if err != nil {
			t.Fatal(err)
		}
		q, err := j.OpenQueue("q", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		last = append(last, q.Last())
		killed := t.TempDir() // what a kill leaves: the files as they are now
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		dir = killed
	}
	if last[1]-last[0] != SeqStep || last[2]-last[1] != SeqStep {
		t.Errorf("Seqs after two crashes: %d, want steps of %d", last, SeqStep)
	}
}
