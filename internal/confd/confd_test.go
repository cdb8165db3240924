package confd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/disk/crashdisk"
)

// fakeLive is a gateway whose configuration is what the folder's files have. A text with
// "bad" is refused by the check, one with "refused" by the reload, one with "web" is risky.
type fakeLive struct {
	folder  *Folder
	running map[string]string
	reloads int
}

func (l *fakeLive) Check(ds []config.Draft) (any, bool, error) {
	risky := false
	for _, d := range ds {
		if strings.Contains(d.Text, "bad") {
			return nil, false, config.Problems{{File: d.Name, Line: 1, Column: 1, Text: "bad"}}
		}
		was, err := l.folder.read(d.Name)
		risky = strings.Contains(d.Text, "web") || err == nil && strings.Contains(was, "web")
	}
	return "changes", risky, nil
}

func (l *fakeLive) Reload() error {
	l.reloads++
	next := l.folder.texts()
	for _, text := range next {
		if strings.Contains(text, "refused") {
			return errors.New("no such bus")
		}
	}
	l.running = next
	return nil
}

// texts are the files as the next start would read them.
func (f *Folder) texts() map[string]string {
	all := map[string]string{}
	for _, name := range f.names() {
		if text, err := f.read(f.Path(name)); err == nil {
			all[name] = text
		}
	}
	return all
}

func newDisk() *crashdisk.Disk { return crashdisk.New(rand.New(rand.NewPCG(1, 2))) }

func open(t *testing.T, d *crashdisk.Disk) (*Folder, *fakeLive) {
	t.Helper()
	f, err := Open(Options{Data: "data", FS: d})
	if err != nil {
		t.Fatal(err)
	}
	l := &fakeLive{folder: f}
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	return f, l
}

// tag is the mark of a file's text, as a page has it.
func tag(f *Folder, name string) string {
	s, err := f.current(name)
	if err != nil {
		panic(err)
	}
	return s.etag()
}

func (l *fakeLive) save(t *testing.T, name, text string) Saved {
	t.Helper()
	s, err := l.folder.Save(Edit{File: name, Text: text, ETag: tag(l.folder, name), User: "bob"}, l)
	if err != nil {
		t.Fatalf("saving %q: %v", text, err)
	}
	return s
}

func TestSaveAndUndo(t *testing.T) {
	f, l := open(t, newDisk())
	first := l.save(t, "a.toml", "one")
	second := l.save(t, "a.toml", "two")
	if l.running["a.toml"] != "two" || first.ETag == second.ETag || second.Confirm != nil {
		t.Fatalf("running %v, saved %+v", l.running, second)
	}
	for _, want := range []string{"one", "two", "one"} { // an undo can be undone
		if _, err := f.Undo(0, "bob", l); err != nil || l.running["a.toml"] != want {
			t.Fatalf("after an undo %v runs, want %q (%v)", l.running, want, err)
		}
	}
	if _, err := f.Undo(first.Version, "bob", l); err != nil || len(l.running) != 0 {
		t.Errorf("before the first save there was no file; %v (%v)", l.running, err)
	}
	if _, err := f.Undo(99, "bob", l); !errors.Is(err, ErrNoVersion) {
		t.Errorf("a version that does not exist: %v", err)
	}
}

// A save made from an old version of the file is refused: two people do not overwrite
// each other.
func TestSaveOfAnOldVersionIsRefused(t *testing.T) {
	f, l := open(t, newDisk())
	l.save(t, "a.toml", "one")
	old := tag(f, "a.toml")
	l.save(t, "a.toml", "two")
	for _, etag := range []string{old, ""} {
		if _, err := f.Save(Edit{File: "a.toml", Text: "three", ETag: etag}, l); !errors.Is(err, ErrChanged) {
			t.Errorf("a save from %q: %v, want ErrChanged", etag, err)
		}
	}
	if l.running["a.toml"] != "two" {
		t.Errorf("%v runs", l.running)
	}
}

// A refusal, by the check or by the reload, leaves file, versions and gateway as they were.
func TestRefusedSaveChangesNothing(t *testing.T) {
	f, l := open(t, newDisk())
	l.save(t, "a.toml", "one")
	for text, want := range map[string]error{"bad": config.Problems{}, "refused": ErrReload} {
		_, err := f.Save(Edit{File: "a.toml", Text: text, ETag: tag(f, "a.toml")}, l)
		var ps config.Problems
		if !errors.Is(err, want) && !errors.As(err, &ps) {
			t.Errorf("%s: %v", text, err)
		}
		if vs, _ := f.Versions(); l.running["a.toml"] != "one" || f.texts()["a.toml"] != "one" || len(vs) != 1 {
			t.Errorf("%s: %v runs, %v is on the disk, versions %v", text, l.running, f.texts(), vs)
		}
	}
	if _, err := f.Save(Edit{File: "new.toml", Text: "refused"}, l); !errors.Is(err, ErrReload) || len(f.texts()) != 1 {
		t.Errorf("a new file that is refused: %v, on the disk %v", err, f.texts())
	}
}

func TestNamesLeadNowhereElse(t *testing.T) {
	f, l := open(t, newDisk())
	for _, name := range []string{"", "a", "../a.toml", "a/b.toml", "/etc/a.toml", ".a.toml", "..toml", "a\x00.toml", "a.toml/", "-a.toml", "a b.toml", strings.Repeat("a", 70) + ".toml"} {
		if _, err := f.Save(Edit{File: name, Text: "x"}, l); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := f.Save(Edit{File: "a.toml", Text: strings.Repeat("x", maxText+1)}, l); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a very long file: %v", err)
	}
	for i := range maxFiles {
		l.save(t, fmt.Sprintf("%d.toml", i), "x")
	}
	if _, err := f.Save(Edit{File: "more.toml", Text: "x"}, l); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many files: %v", err)
	}
	if vs, err := f.Versions(); len(vs) != maxVersions || err != nil {
		t.Errorf("%d versions are kept, want %d (%v)", len(vs), maxVersions, err)
	}
}

// A save that could cut off who made it is undone after a minute unless it is confirmed
// over a connection made after it.
func TestUnconfirmedSaveReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, l := open(t, newDisk())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go f.Run(ctx)
		l.save(t, "a.toml", "one")
		before := time.Now()
		time.Sleep(time.Second)
		s := l.save(t, "a.toml", "web")
		if s.Confirm == nil || time.Until(*s.Confirm) != ConfirmTime {
			t.Fatalf("saved %+v, want to be asked for a confirmation within %v", s, ConfirmTime)
		}
		if err := f.Confirm(s.Version, before); !errors.Is(err, ErrOldWay) {
			t.Errorf("a confirmation over the old connection: %v", err)
		}
		if _, err := f.Save(Edit{File: "b.toml", Text: "x"}, l); !errors.Is(err, ErrWaits) {
			t.Errorf("another save meanwhile: %v", err)
		}
		if _, err := f.Undo(0, "", l); !errors.Is(err, ErrWaits) {
			t.Errorf("an undo meanwhile: %v", err)
		}
		time.Sleep(ConfirmTime + time.Second)
		synctest.Wait()
		if l.running["a.toml"] != "one" || f.texts()["a.toml"] != "one" || f.Waiting() != nil {
			t.Errorf("after the time %v runs, %v is on the disk", l.running, f.texts())
		}
		s = l.save(t, "a.toml", "web 2")
		time.Sleep(time.Second)
		if err := f.Confirm(s.Version, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * ConfirmTime)
		synctest.Wait()
		if l.running["a.toml"] != "web 2" {
			t.Errorf("a confirmed save is undone: %v", l.running)
		}
		if err := f.Confirm(s.Version, time.Now()); !errors.Is(err, ErrNothing) {
			t.Errorf("a second confirmation: %v", err)
		}
	})
}

// Whatever ends the process or takes the power, at whichever step of a save: the next start
// finds the file of before, or the saved one if the save had answered.
func TestPowerCutAtEachStepOfASave(t *testing.T) {
	for _, test := range []struct {
		text    string
		remove  bool
		confirm bool
	}{{text: "two"}, {remove: true}, {text: "web"}, {text: "web", confirm: true}, {text: "refused"}} {
		for seed := range uint64(8) {
			for step, done := 0, false; !done; step++ {
				d := crashdisk.New(rand.New(rand.NewPCG(seed, uint64(step))))
				d.Unordered = seed%2 == 1
				f, l := open(t, d)
				l.save(t, "a.toml", "one")
				d.PowerOffAfter(step)
				s, err := f.Save(Edit{File: "a.toml", Text: test.text, Remove: test.remove, ETag: tagOf("one")}, l)
				kept := err == nil && s.Confirm == nil
				if err == nil && test.confirm {
					kept = f.Confirm(s.Version, time.Now().Add(time.Second)) == nil
				}
				done = !d.IsOff()
				d.Cut()
				got := map[string]string{}
				for again := range 2 { // the start after it may be cut off, too
					d.PowerOffAfter(step*(1-again) + 1000*again)
					if f, err := Open(Options{Data: "data", FS: d}); err == nil {
						got = f.texts()
					}
					d.Cut()
				}
				want, gone := "one", false
				if kept {
					want, gone = test.text, test.remove
				}
				text, there := got["a.toml"]
				// A confirmation that did not answer may count or not.
				either := test.confirm && !kept && text == test.text || !test.confirm && !kept && err != nil && !errors.Is(err, ErrReload) && (text == test.text || test.remove && !there)
				if !either && (text != want || there == gone) {
					t.Fatalf("%+v, seed %d, cut at step %d (save: %v): the next start reads %v, want %q", test, seed, step, err, got, want)
				}
				if len(got) > 1 {
					t.Fatalf("files %v", got)
				}
			}
		}
	}
}

func tagOf(text string) string { return ETag(Hide(text)) }

// Nothing is half written on a full disk.
func TestFullDiskRefusesASave(t *testing.T) {
	d := newDisk()
	f, l := open(t, d)
	l.save(t, "a.toml", "one")
	var used int64
	for _, name := range d.Files("") {
		used += int64(len(d.Data(name)))
	}
	for quota := used; quota < used+3000; quota += 100 {
		d.Quota = quota
		_, err := f.Save(Edit{File: "a.toml", Text: strings.Repeat("two ", 200), ETag: tag(f, "a.toml")}, l)
		if err == nil {
			if quota == used {
				t.Fatal("the disk is full and the save succeeds")
			}
			return
		}
		d.Quota = 0
		if vs, _ := f.Versions(); f.texts()["a.toml"] != "one" || l.running["a.toml"] != "one" || len(vs) != 1 {
			t.Fatalf("with %d bytes free: %v on the disk, %v runs, %d versions (%v)", quota-used, f.texts(), l.running, len(vs), err)
		}
	}
	t.Error("with 3000 bytes free nothing can be saved")
}

func TestNothingIsSavedInMemory(t *testing.T) {
	f, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Save(Edit{File: "a.toml"}, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
	if vs, err := f.Versions(); len(vs) != 0 || err != nil {
		t.Errorf("%v %v", vs, err)
	}
}

// A damaged record costs a version and not the start.
func TestDamagedVersionIsPassedOver(t *testing.T) {
	d := newDisk()
	_, l := open(t, d)
	l.save(t, "a.toml", "one")
	l.save(t, "a.toml", "two")
	l.save(t, "a.toml", "three")
	d.Replace("data/versions/00000002.json", []byte(`{"id":2,"file":"../../etc/passwd","kept":false}`))
	d.Replace("data/versions/00000003.json", make([]byte, maxRead+1)) // it cannot even be read
	f, l := open(t, d)
	if s := l.save(t, "b.toml", "x"); s.Version != 4 {
		t.Errorf("the next version is %d, in the place of a damaged one", s.Version)
	}
	if _, err := f.Undo(4, "bob", l); err != nil {
		t.Error(err)
	}
	f, _ = open(t, d)
	if vs, err := f.Versions(); len(vs) != 3 || err != nil || f.texts()["a.toml"] != "three" {
		t.Errorf("%v %v, on the disk %v", vs, err, f.texts())
	}
	if _, err := d.OpenFile("etc/passwd", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a record leads out of the folder")
	}
}
