package broker

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// unpack unpacks a store into a folder of the test.
func unpack(t *testing.T, archive string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		out, err := os.Create(filepath.Join(dir, filepath.Base(h.Name)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, r); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// K1: the store was made by the program of commit 5f3101f, to which clients connected with ever
// new ids of 60,000 bytes until it ended with "record is too large for the journal", also at every
// start. It opens, its sessions are there, and one more start finds them again.
func TestStoreThatAnEarlierVersionCouldNotOpen(t *testing.T) {
	dir := unpack(t, "testdata/bricked.tgz")
	id := strings.Repeat("0", 60_000)
	found := 0
	for round := range 2 {
		t.Run(fmt.Sprint("start ", round), func(t *testing.T) {
			j, err := journal.Open(journal.Options{Dir: dir, FreeFloor: 1, SeqStep: SeqStep})
			if err != nil {
				t.Fatal(err)
			}
			b := start(t, func(o *Options) { o.Journal = runJournal(t, j) })
			n := b.Stats().Sessions
			if round == 0 && n < 90 || round > 0 && n != found || j.Stats().Damaged > 0 {
				t.Errorf("%d sessions, %d records damaged", n, j.Stats().Damaged)
			}
			found = n
			c := dial(t, b, mqtt.Level311)
			if ack := c.handshake(id, persistent); !ack.SessionPresent {
				t.Error("the first of them is not present")
			}
			c.subscribe("t", 1) // is on the disk with its answer
			c.disconnect()
		})
	}
}
