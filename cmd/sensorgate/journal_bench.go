package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sensorgate/internal/doctor"
	"sensorgate/internal/journal"
)

// journalBench is what the disk under the store can do.
type journalBench struct {
	Records    int     `json:"records"`
	PerSecond  float64 `json:"per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	DeviceByte float64 `json:"device_bytes_per_record"` // 0: not known
	Warning    string  `json:"warning,omitempty"`
}

func newJournalBench() *cobra.Command {
	s := store{settings: settings{rootOnly: true}} // it writes into the store
	var size int
	var span time.Duration
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "how long a record takes until it is on this disk, and what that costs the card",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := s.find()
			if err != nil {
				return err
			}
			b, err := benchStore(dir, size, span)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if s.json {
				return writeJSON(out, b)
			}
			fmt.Fprintf(out, "%.0f records of %d bytes a second, one sync each; %.2f ms, at worst (p99) %.2f ms\n", b.PerSecond, size, b.P50, b.P99)
			if b.DeviceByte > 0 {
				fmt.Fprintf(out, "%.0f bytes to the disk for each (all of this machine's writing counted)\n", b.DeviceByte)
			}
			if b.Warning != "" {
				fmt.Fprintln(out, b.Warning)
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&size, "size", 256, "`bytes` of a record")
	cmd.Flags().DurationVar(&span, "time", 5*time.Second, "how long to measure")
	return cmd
}

func benchStore(dir string, size int, span time.Duration) (b journalBench, err error) {
	before := deviceBytes(dir)
	times, err := journal.Bench(dir, size, span)
	if err != nil {
		return b, err
	}
	if len(times) == 0 {
		return b, fmt.Errorf("not one record was on disk within %v", span)
	}
	after := deviceBytes(dir)
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	b = journalBench{
		Records: len(times), PerSecond: float64(len(times)) / span.Seconds(),
		P50: ms(times[len(times)/2]), P99: ms(times[len(times)*99/100]),
	}
	if before >= 0 && after >= before {
		b.DeviceByte = float64(after-before) / float64(len(times))
	}
	if f := doctor.JudgeSyncs(times, dir); f.Verdict != doctor.OK {
		b.Warning = f.What
		if f.Try != "" {
			b.Warning += " (try: " + f.Try + ")"
		}
	}
	return b, nil
}

// deviceBytes is what was written to the block device under dir since the machine
// started, -1 if there is none that counts.
func deviceBytes(dir string) int64 {
	info, err := os.Stat(dir)
	if err != nil {
		return -1
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	text, err := os.ReadFile(filepath.Join("/sys/dev/block", dev, "stat"))
	if err != nil {
		return -1
	}
	// Documentation/block/stat.rst: the seventh field is sectors written, of 512 bytes
	// whatever the device's own sectors are.
	f := strings.Fields(string(text))
	if len(f) < 7 {
		return -1
	}
	sectors, err := strconv.ParseInt(f[6], 10, 64)
	if err != nil {
		return -1
	}
	return sectors * 512
}
