package gpio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers/gpio"
)

func TestScanNamesLinesAsTheConfigurationWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.board.AddChip("gpiochip1", "expander", "GPIO17", "X1")
		b.start("input", "door", 0, "gpio=GPIO22")
		_, lines, err := b.chips.Scan()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range lines {
			got = append(got, fmt.Sprintf("%s|%s|%s", l.Ref, l.Pin, l.Consumer))
		}
		want := "GPIO0||, gpiochip0:1|P1_11|, GPIO22|P1_15|sensorgate:door, GPIO27|P1_13|, gpiochip0:4||, gpiochip1:0||, X1||"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
	})
}

func TestFollowShowsEdgesAndGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		done := make(chan error)
		go func() {
			done <- b.chips.Follow(ctx, "GPIO17", gpio.Following{ActiveLow: true}, func(e gpio.Edge) {
				got = append(got, fmt.Sprintf("%d:%v/%d", e.Seq, e.Rising, e.Lost))
			})
		}()
		synctest.Wait()
		b.board.Drive("GPIO17", true)
		synctest.Wait()
		b.board.Burst("GPIO17", 2050)
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
		if len(got) != 2+1024 || got[0] != "0:true/0" || got[1] != "1:false/0" || !strings.HasSuffix(got[2], "/1026") {
			t.Errorf("got %d lines, %v", len(got), got[:min(len(got), 4)])
		}
	})
}
