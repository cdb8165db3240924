package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// smallStore makes a store with one message in one queue and one entry.
func smallStore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, FreeFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- j.Run(ctx) }()
	q, err := j.OpenQueue("spool/cloud", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	m := mqtt.Message{Topic: "barn/tank/level", QoS: 1, Payload: []byte("21.5"), Time: time.Unix(1, 0)}
	j.Append(journal.Record{Data: mqtt.AppendRecord(nil, &m), To: []*journal.Queue{q}})
	j.Put("retained/x", []byte("\x1b[2Jevil"), journal.Event, nil, 0)
	kept := mqtt.Message{Topic: "barn/door/state", QoS: 1, Retain: true, Payload: []byte("open"), Time: time.Unix(2, 0)}
	j.Put("retained/"+kept.Topic, mqtt.AppendRecord(nil, &kept), journal.Event, nil, 0)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return dir
}

func journalCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append([]string{"journal"}, args...))
	err := root.Execute()
	return out.String(), err
}

func TestJournalCommands(t *testing.T) {
	dir := smallStore(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "--dir", dir}, "spool/cloud  1 "},
		{[]string{"status", "--json", "--dir", dir}, `"Name": "spool/cloud"`},
		{[]string{"dump", "--dir", dir}, "barn/tank/level 21.5\n"},
		{[]string{"dump", "--json", "--dir", dir, "spool/cloud"}, `"payload": "21.5"`},
		{[]string{"dump", "--entries", "--dir", dir}, "retained/x 0x1b5b324a6576696c\n"}, // nothing that a terminal executes
		{[]string{"dump", "--entries", "--dir", dir}, "retained/barn/door/state 1970-01-01T00:00:02Z open\n"},
		{[]string{"dump", "--entries", "--json", "--dir", dir}, `"payload": "open"`},
		{[]string{"verify", "--dir", dir}, "4 records and values, all sound\n"}, // with the journal's own clock
		{[]string{"bench", "--dir", dir, "--time", "100ms"}, "one sync each"},
	} {
		before := contents(t, dir)
		out, err := journalCommand(t, test.args...)
		if err != nil || !strings.Contains(out, test.want) {
			t.Errorf("%v: %v, %q: want %q", test.args, err, out, test.want)
		}
		if contents(t, dir) != before {
			t.Errorf("%v changed the store", test.args)
		}
	}
	if _, err := journalCommand(t, "dump", "--dir", dir, "nothing"); err == nil || !strings.Contains(err.Error(), "spool/cloud") {
		t.Errorf("an unknown queue: %v, want the names there are", err)
	}
	if _, err := journalCommand(t, "status", "--dir", t.TempDir()); err == nil {
		t.Error("an empty directory is no store")
	}
}

func TestJournalVerifyFindsDamage(t *testing.T) {
	dir := smallStore(t)
	name := filepath.Join(dir, "00001.seg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("21.5"))] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journalCommand(t, "verify", "--dir", dir); err == nil || !strings.Contains(err.Error(), "1 of 4") {
		t.Errorf("verify of a damaged record: %v", err)
	}
}

func contents(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(f)
		all.Write(b)
	}
	return all.String()
}
