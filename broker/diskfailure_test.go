package broker

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// brokenSyncs is a file system that takes all that is written and fails to sync it.
type brokenSyncs struct {
	disk.FS
	broken atomic.Bool
}

func (b *brokenSyncs) OpenFile(name string, flag int) (disk.File, error) {
	f, err := b.FS.OpenFile(name, flag)
	return brokenFile{f, b}, err
}

type brokenFile struct {
	disk.File
	b *brokenSyncs
}

func (f brokenFile) Sync() error {
	if f.b.broken.Load() {
		return syscall.EIO
	}
	return f.File.Sync()
}

// A disk that fails says nothing about what is on it: the next start finds the message, and its packet id in use.
// A client that had heard "refused" would use the id for another message, which would then be taken for a repetition
// and lost (seed 2964 of the simulation). So the connection ends without an answer, at every level.
func TestPublisherGetsNoAnswerWhenTheDiskFails(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		fs, dir := &brokenSyncs{FS: disk.OS{}}, t.TempDir()
		j, err := journal.Open(journal.Options{Dir: dir, Size: 64 << 20, FreeFloor: 1, SeqStep: SeqStep, FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- j.Run(context.Background()) }()
		b := create(t, func(o *Options) { o.Journal = j })
		stop := run(t, b)
		connect(t, b, mqtt.Level5, "sub", persistent).subscribe("q", 2)
		pub := connect(t, b, mqtt.Level5, "pub", persistent)
		fs.broken.Store(true)
		pub.write(mqtt.AppendPublish(nil, pub.level, qos<<1, "q", 7, nil, []byte("x")))
		for {
			f, err := pub.next()
			if err != nil {
				break
			}
			if f.Type != mqtt.DISCONNECT {
				t.Errorf("QoS %d: %v % x; want the connection closed", qos, f.Type, f.Raw)
			}
		}
		if err := <-ended; !errors.Is(err, journal.ErrFailed) {
			t.Errorf("QoS %d: the journal ended with %v", qos, err)
		}
		stop()
	}
}
