package gateway

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

// Whoever sends commands as fast as it goes wrote a line of the log with each of them, and
// the event loop waited for every line.
func TestFloodOfCommandsIsOneLineOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := newCommandRouter("n", nil, nil, new(counted), slog.New(slog.NewTextHandler(&out, nil)))
		const n = 5000
		for range n {
			r.refused(&mqtt.Message{Topic: "n/d/x/set"}, drivers.ErrRefused)
		}
		time.Sleep(reportFlood)
		synctest.Wait()
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), "commands=4984") {
			t.Errorf("%d lines, want one about %d commands:\n%s", lines, n-maxCommands, out.String())
		}
	})
}
