package gateway

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/timing"
)

// The models are in the program as they stand in their files: what they weigh there.
func TestModelsWeighLittle(t *testing.T) {
	const most = 500_000
	size, modbusModels, serialModels := 0, 0, 0
	for _, fsys := range []fs.FS{modbus.Models, serial.Models} {
		err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(fsys, path)
			size += len(text)
			if strings.Contains(string(text), "\"modbus\"") {
				modbusModels++
			} else {
				serialModels++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if size > most || modbusModels < 80 || serialModels < 25 {
		t.Errorf("%d Modbus and %d serial models of %d bytes, want 80, 25 and at most %d", modbusModels, serialModels, size, most)
	}
}

// A configuration that names no model must not pay for those that there are.
func TestModelsThatNobodyUsesCostNoMemory(t *testing.T) {
	with := wireCatalogue(t)
	without := with
	without.Models = nil
	name := filepath.Join(t.TempDir(), "sensorgate.toml")
	load := func(cat config.Catalogue) uint64 {
		text := "node = \"n\"\n[device.x]\ndriver = \"modbus\"\ntcp = \"127.0.0.1:502\"\n[device.x.channels]\na = { holding = 0 }\n"
		var before, after runtime.MemStats
		least := uint64(1 << 40)
		for range 10 { // what other goroutines allocate meanwhile is not ours
			runtime.ReadMemStats(&before)
			if cfg, problems := config.LoadTexts([]config.Text{{Name: name, Text: text}}, cat); cfg == nil {
				t.Fatal(problems)
			}
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		return least
	}
	if a, b := load(with), load(without); a > b+4096 {
		t.Errorf("a configuration without a model takes %d bytes with models in the program, %d without", a, b)
	}
}

// sensorgate model list reads every model there is.
func TestListingAllModelsIsQuick(t *testing.T) {
	timing.Judged(t)
	cat, dir := wireCatalogue(t), t.TempDir()
	best := time.Hour
	for range 5 {
		began := time.Now()
		if n := len(config.Models(cat, dir)); n < 120 {
			t.Fatalf("only %d models", n)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("all models in %v", best)
	if best > 50*time.Millisecond {
		t.Errorf("all models take %v, want 50 ms at most", best)
	}
}
