package drivers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// countedDevice answers in different ways, one after the other.
type countedDevice struct{ n int }

func (d *countedDevice) Poll(context.Context) ([]Reading, error) {
	d.n++
	switch d.n {
	case 1:
		time.Sleep(30 * time.Millisecond)
		return []Reading{{Channel: "a", Value: Number(1)}}, nil
	case 2:
		time.Sleep(300 * time.Millisecond)
		return []Reading{{Channel: "a", Value: Number(1000)}, {Channel: "b", Value: Number(math.NaN())}}, nil
	case 3:
		return nil, fmt.Errorf("address 5: %w", ErrNoAnswer)
	case 4:
		return nil, errors.New("wrong checksum")
	case 5: // the driver looks at the range itself
		return []Reading{{Channel: "b", Value: Number(2)}}, errors.Join(&ChannelError{"a", InRange(7, 0, 5)}, &ChannelError{"c", errors.New("wrong checksum")})
	default:
		return nil, ErrAbsent
	}
}

func TestCountersSortWhatADeviceDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		r := &Runner{
			Config: DeviceConfig{Device: "x", Every: time.Second}, Sink: nowhere{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
			Driver: Driver{Name: "x", Channels: []Channel{{Name: "a", Max: 100}}, Open: func(context.Context, DeviceConfig) (any, error) { return &countedDevice{}, nil }},
		}
		r.Run(ctx)
		c := r.Counters()
		want := map[Reason]uint64{ReasonImplausible: 2, ReasonNoAnswer: 1, ReasonOther: 1, ReasonChannel: 1, ReasonAbsent: 1}
		for i, why := range Reasons {
			if c.Errors[i] != want[why] {
				t.Errorf("%s: %d, want %d", why, c.Errors[i], want[why])
			}
		}
		if want := [len(AllRejected)]uint64{2, 1}; c.Refused != want {
			t.Errorf("rejected: %v, want %v (range, invalid)", c.Refused, want)
		}
		if c.Polls != 6 || c.Opened != 1 || c.Answers[0] != 4 || c.Answers[1] != 1 || c.Answers[3] != 1 || c.Asked != 330*time.Millisecond {
			t.Errorf("%+v", c)
		}
	})
}

type nowhere struct{}

func (nowhere) Readings([]Reading)    {}
func (nowhere) Health(string, Health) {}
