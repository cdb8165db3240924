package status

import (
	"testing"
	"time"

	"sensorgate/internal/journal"
)

// What a day writes is not told from the 4 MiB that the first file costs.
func TestBytesADayWithoutTheFirstFile(t *testing.T) {
	s := journal.Stats{BytesWritten: 4<<20 + 38_000, BytesPrepared: 4 << 20}
	if got := FromJournal("", s, 15*time.Minute).PerDay; got != 38_000*96 {
		t.Errorf("%d bytes a day, want %d", got, 38_000*96)
	}
}
