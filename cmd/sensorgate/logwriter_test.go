package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A journal that stands still stood still the event loops with it: nobody waits for the log.
func TestLogHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := io.Pipe() // nobody reads
		w := newLogWriter(out, linesLost(slog.New(slog.NewTextHandler(out, nil))))
		log := slog.New(slog.NewTextHandler(w, nil))
		const n = 20_000
		for i := range n {
			log.Info("line", "number", i)
		}
		var got bytes.Buffer
		read := make(chan struct{})
		go func() {
			_, _ = io.Copy(&got, r) // ends with the pipe
			close(read)
		}()
		synctest.Wait()
		log.Info("after")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_ = out.Close()
		<-read
		lines := strings.Count(got.String(), "msg=line")
		if lines == 0 || lines == n {
			t.Errorf("%d of %d lines were written, want those that there was room for", lines, n)
		}
		if want := fmt.Sprintf("lines=%d", n-lines); !strings.Contains(got.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
		if !strings.Contains(got.String(), "msg=after") {
			t.Error("what was logged afterwards is not there")
		}
	})
}

// The end waits for a reader that is slow, and not for one that is not there.
func TestLogEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, out := io.Pipe()
		w := newLogWriter(out, func(int) {})
		fmt.Fprintln(w, "the last line")
		begin := time.Now()
		if err := w.Close(); err != nil || time.Since(begin) != closeLimit {
			t.Errorf("closed after %v, %v", time.Since(begin), err)
		}
		_ = r.Close()
	})
	var out bytes.Buffer
	w := newLogWriter(&out, func(int) {})
	fmt.Fprintln(w, "the last line")
	if err := w.Close(); err != nil || out.String() != "the last line\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
