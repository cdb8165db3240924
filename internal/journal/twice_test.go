package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sensorgate/internal/disk/crashdisk"
)

// A session in whose queue nothing has waited yet hangs on the first state of the queue. A bad page does not take it: the state
// stands twice. Nor does the loss of a file, once the log has gone on in the next one.
func TestNewSessionOutlivesABadPageAndALostFile(t *testing.T) {
	for _, others := range []int{0, 40} { // with which the states are too large for a checkpoint in every segment
		fs := crashdisk.New(rand.New(rand.NewPCG(1, 35)))
		o := Options{Dir: "d", FS: fs, SegmentSize: 64 << 10, Size: 64 * 64 << 10, FreeFloor: -1}
		j := reopen(t, o)
		for i := range others {
			openQueue(t, j, fmt.Sprint("session/", i, strings.Repeat("i", 600)), Limits{})
		}
		commit(t, j)
		if err := j.writeMark(); err != nil {
			t.Fatal(err)
		}
		openQueue(t, j, "session/new", Limits{})
		commit(t, j)
		if err := j.writeMark(); err != nil { // as Run does soon after
			t.Fatal(err)
		}
		there := func(image *crashdisk.Disk, what string) {
			t.Helper()
			o.FS = image
			k := reopen(t, o)
			if n := len(k.Queues("session/")); n != others+1 || len(k.Queues("session/new")) != 1 {
				t.Errorf("%d others, %s: %d sessions are there, the new one: %v", others, what, n, k.Queues("session/new"))
			}
			k.closeFiles()
		}
		for _, name := range fs.Files(".seg") {
			for at := headerBlock; at < len(fs.Data(name)); at += copyApart {
				image := fs.Clone(rand.New(rand.NewPCG(2, 2)))
				data := bytes.Clone(fs.Data(name))
				clear(data[at:min(at+copyApart, len(data))])
				image.Replace(name, data)
				there(image, fmt.Sprintf("%s without the page at %d", name, at))
			}
		}
		q := openQueue(t, j, "other", Limits{})
		for first := j.wr.slot.segno; j.wr.slot.segno == first; commit(t, j) {
			j.Append(Record{Data: make([]byte, 2000), To: []*Queue{q}})
		}
		if err := j.writeMark(); err != nil {
			t.Fatal(err)
		}
		for _, name := range fs.Files(".seg") {
			image := fs.Clone(rand.New(rand.NewPCG(2, 2)))
			if err := image.Remove(name); err != nil {
				t.Fatal(err)
			}
			there(image, name+" deleted")
		}
	}
}
