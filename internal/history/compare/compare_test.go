package compare

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite"

	"sensorgate/internal/history"
)

var (
	dir   = flag.String("dir", "", "directory on the file system to measure; one of its own, so that the block device counts nothing else")
	hours = flag.Int("hours", 24, "of values")

	channels = flag.Int("channels", 100, "that are written")
)

const (
	every = 10 * time.Second
	flush = 10 * time.Minute // how long values wait in memory, in all of them
)

// value is a temperature with one decimal; each channel has its own.
func value(channel, i int) float64 {
	return math.Round(200+80*math.Sin(float64(i)/900+float64(channel))+3*math.Sin(float64(i*(channel+3)))) / 10
}

func name(channel int) string { return fmt.Sprintf("device%03d/channel%d", channel/4, channel%4) }

// sectors are the bytes that the block device below path has written so far
// (Documentation/block/stat.rst).
func sectors(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	dev := info.Sys().(*syscall.Stat_t).Dev
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", dev>>8&0xfff, dev&0xff|dev>>12&0xfff00))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(text))[6], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * 512
}

// measure runs write and prints what it cost.
func measure(t *testing.T, what, path string, write func() (query func() int)) {
	t.Helper()
	syscall.Sync()
	before, begin := sectors(t, *dir), cpu()
	query := write()
	syscall.Sync() // what the file system still has to say belongs to it
	written, used := sectors(t, *dir)-before, cpu()-begin
	best, points := time.Hour, 0
	for range 5 {
		start := time.Now()
		points = query()
		best = min(best, time.Since(start))
	}
	n := float64(*channels) * float64(*hours) * float64(time.Hour/every)
	fmt.Printf("| %-34s | %8.1f | %6.2f | %8.1f | %6.1f | %8.2f ms, %d points |\n", what, float64(written)/1e6, float64(written)/n,
		float64(size(path))/1e6, used.Seconds(), float64(best.Microseconds())/1000, points)
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails for the own process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func size(path string) (n int64) {
	_ = filepath.Walk(path, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// TestDayOfValues writes the same day into each store. The last column is a day of one
// channel in at most 2,000 points with minimum, mean and maximum.
func TestDayOfValues(t *testing.T) {
	if *dir == "" {
		t.Skip("needs -dir: make history-compare DIR=/on/the/card")
	}
	fmt.Printf("| %-34s | %8s | %6s | %8s | %6s | %s |\n", "store", "MB written", "bytes a value", "MB on disk", "CPU s", "a day of one channel")
	ours := filepath.Join(*dir, "history")
	measure(t, "history", ours, func() func() int { return historyDay(t, ours) })
	for _, s := range []struct{ what, key string }{
		{"SQLite, WAL, key (time, channel)", "at, channel"},
		{"SQLite, WAL, key (channel, time)", "channel, at"},
	} {
		path := filepath.Join(*dir, strings.ReplaceAll(s.key, ", ", "-"))
		measure(t, s.what, path, func() func() int { return sqliteDay(t, path, s.key) })
	}
}

// historyDay runs a store on virtual time: the disk is real.
func historyDay(t *testing.T, path string) (query func() int) {
	var begin time.Time
	synctest.Test(t, func(t *testing.T) {
		s, err := history.Open(history.Options{Dir: path, Flush: flush})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		begin = time.Now()
		for i := range *hours * int(time.Hour/every) {
			for c := range *channels {
				s.Add(name(c), history.Number, time.Now(), history.Value{Number: value(c, i)})
			}
			time.Sleep(every)
		}
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	s, err := history.Open(history.Options{Dir: path})
	if err != nil {
		t.Fatal(err)
	}
	return func() int {
		a, err := s.Query(history.Query{Series: name(42), From: begin, To: begin.Add(24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return len(a.Points)
	}
}

func sqliteDay(t *testing.T, path, key string) (query func() int) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(path, "db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.Exec("CREATE TABLE v (at INTEGER, channel INTEGER, value REAL, PRIMARY KEY (" + key + ")) WITHOUT ROWID")
	must(err)
	const begin = 946684800000
	perFlush := int(flush / every)
	for i := 0; i < *hours*int(time.Hour/every); i += perFlush {
		tx, err := db.Begin()
		must(err)
		put, err := tx.Prepare("INSERT INTO v VALUES (?, ?, ?)")
		must(err)
		for k := i; k < i+perFlush; k++ {
			for c := range *channels {
				_, err := put.Exec(begin+int64(k)*every.Milliseconds(), c, value(c, k))
				must(err)
			}
		}
		must(put.Close())
		must(tx.Commit())
	}
	_, err = db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	must(err)
	return func() (n int) {
		rows, err := db.Query("SELECT at / 60000, min(value), avg(value), max(value) FROM v WHERE channel = 42 AND at BETWEEN ? AND ? GROUP BY 1 ORDER BY 1", begin, begin+86_400_000)
		must(err)
		defer rows.Close()
		for ; rows.Next(); n++ {
		}
		must(rows.Err())
		return n
	}
}
