package main

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"time"

	"sensorgate/internal/history"
)

// demoPast is what the demo's devices would have measured yesterday: without it the page
// would have nothing to draw for the first hour. Numbers are by hour of a day of its own that ends
// at demoHour, where the devices of configs/demo.toml begin.
var demoPast = map[string]func(hours float64, random *rand.Rand) float64{
	"greenhouse/temperature": func(h float64, r *rand.Rand) float64 { return 22.7 - 7*math.Cos((h-3)*math.Pi/12) + 0.3*r.Float64() },
	"greenhouse/humidity":    func(h float64, r *rand.Rand) float64 { return 60 + 14*math.Cos((h-4)*math.Pi/12) + 2*r.Float64() },
	"meter/power": func(h float64, r *rand.Rand) float64 {
		p := 370 + 60*r.Float64()
		if h > 6.5 && h < 8 || h > 17.5 && h < 21 {
			p += 900 + 700*r.Float64()
		}
		if r.IntN(40) == 0 { // a kettle
			p += 1900
		}
		return p
	},
	"shed/temperature": func(h float64, r *rand.Rand) float64 { return 7.7 - 3*math.Cos((h-4)*math.Pi/12) + 0.4*r.Float64() },
	"gateway/upstream/cloud/waiting": func(h float64, _ *rand.Rand) float64 {
		if h > 13 && h < 15.5 { // the upstream was away after lunch, and caught up
			return math.Round(2400 * min(h-13, 5*(15.5-h)))
		}
		return 0
	},
}

// demoHour is now, whatever the clock says: nothing jumps where the devices begin.
const demoHour = 8.8

// writeDemoPast puts a day that never was into the history in dir. What follows is
// measured.
func writeDemoPast(dir string, end time.Time) error {
	s, err := history.Open(history.Options{Dir: filepath.Join(dir, "history")})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2)) // every demo has the same yesterday
	energy := 1840.0 - 24*0.55
	for at := end.Add(-24 * time.Hour); at.Before(end); at = at.Add(time.Minute) {
		hours := math.Mod(24+demoHour-end.Sub(at).Hours(), 24)
		for series, value := range demoPast {
			if series == "shed/temperature" && hours > 9 && hours < 10 { // its cable was out
				continue
			}
			v := value(hours, random)
			s.Add(series, history.Number, at, history.Value{Number: v})
			if series == "meter/power" {
				energy += v / 60000
			}
		}
		s.Add("meter/energy", history.Total, at, history.Value{Number: min(energy, 1840)})
		s.Add("pump/state", history.State, at, history.Value{State: map[bool]string{true: "true", false: "false"}[int(hours) == 7 || int(hours) == 18]})
		shed := "ok"
		if hours > 9 && hours < 10 {
			shed = "failing: sim: no answer"
		}
		s.Add("shed/#state", history.State, at, history.Value{State: shed})
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	return s.Run(ended) // writes and closes
}
