package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sensorgate/drivers"
)

// sysfs is the root of the kernel's tree: "/sys", or a fixture.
type sysfs string

// files reads attributes without being held up by a slow one: a 1-Wire conversion takes
// 750 ms and a read of it cannot be interrupted. One read is under way at most; a caller
// that does not wait any longer leaves it behind, and the next one waits for it.
type files struct {
	busy  chan struct{}
	wrote func(path string) // called after each write, for tests that play the kernel's side
}

func newFiles() *files { return &files{busy: make(chan struct{}, 1), wrote: func(string) {}} }

func (f *files) read(ctx context.Context, path string) (string, error) {
	b, err := f.bytes(ctx, path)
	return strings.TrimSpace(string(b)), err
}

// bytes reads an attribute that is no text.
func (f *files) bytes(ctx context.Context, path string) (b []byte, err error) {
	return f.during(ctx, func() ([]byte, error) { return os.ReadFile(path) })
}

// write writes an attribute, in one piece.
func (f *files) write(ctx context.Context, path string, b ...byte) error {
	_, err := f.during(ctx, func() ([]byte, error) {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		_, err = file.Write(b)
		err = errors.Join(err, file.Close())
		f.wrote(path)
		return nil, err
	})
	return err
}

func (f *files) during(ctx context.Context, do func() ([]byte, error)) ([]byte, error) {
	select {
	case f.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("the kernel is still reading: %w", ctx.Err())
	}
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := do()
		<-f.busy
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		return r.b, explain(r.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// number reads an attribute that is one number.
func (f *files) number(ctx context.Context, path string) (float64, error) {
	text, err := f.read(ctx, path)
	if err != nil {
		return 0, err
	}
	v, err := parseNumber(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func parseNumber(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("found %.40q, expected a number", text)
	}
	return v, nil
}

// explain makes of a read's error what it means for a sensor.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("%w (%w)", drivers.ErrAbsent, err)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EREMOTEIO), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%w (%w)", drivers.ErrNoAnswer, err)
	}
	return err
}

// class is one kind of device that sysfs lists under changing numbers.
type class struct {
	dir, pattern string
	kind         string // their name in errors
}

// node is one entry of a class.
type node struct {
	dir    string // "/sys/class/hwmon/hwmon3"
	name   string // what it calls itself
	parent string // the device it is part of: "1-0048"
}

func (s sysfs) nodes(c class) []node {
	dirs, _ := filepath.Glob(filepath.Join(string(s), c.dir, c.pattern)) // the pattern is ours
	var all []node
	for _, dir := range dirs {
		name, err := os.ReadFile(filepath.Join(dir, "name"))
		if err != nil {
			continue // it has none, or has just gone
		}
		all = append(all, node{dir: dir, name: strings.TrimSpace(string(name)), parent: parent(dir)})
	}
	return all
}

// parent returns the name of the device that dir belongs to. hwmon says it in the link
// "device"; an iio device lies in its parent's folder.
func parent(dir string) string {
	if p, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
		return filepath.Base(p)
	}
	if p, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Base(filepath.Dir(p))
	}
	return ""
}

// find returns the one device called name, at a parent if one is given. Which number it
// has is looked up every time: it may be another since the last start or replug.
func (s sysfs) find(c class, name, at string) (node, error) {
	var found, others []string
	var n node
	for _, x := range s.nodes(c) {
		others = append(others, x.name)
		// dht11 calls itself "dht11@4" after its pin.
		base, _, _ := strings.Cut(x.name, "@")
		if x.name != name && base != name || at != "" && x.parent != at {
			continue
		}
		n = x
		found = append(found, x.parent)
	}
	switch len(found) {
	case 1:
		return n, nil
	case 0:
		if at != "" {
			name += " at " + at
		}
		slices.Sort(others)
		have := "there is none at all"
		if len(others) > 0 {
			have = "there are " + strings.Join(slices.Compact(others), ", ")
		}
		return node{}, fmt.Errorf("no %s device is called %s: %w (%s; its overlay loaded?)", c.kind, name, drivers.ErrAbsent, have)
	}
	slices.Sort(found)
	return node{}, fmt.Errorf("%d %s devices are called %s (try: at = %q)", len(found), c.kind, name, found[0])
}
