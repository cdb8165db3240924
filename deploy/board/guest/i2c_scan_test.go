package guest

import (
	"context"
	"sync"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c"
)

// onI2C returns running buses and the number of the one with the chips.
func onI2C(t *testing.T) (*i2c.Buses, string) {
	t.Helper()
	name := i2cBus(t)
	buses := i2c.NewBuses(quiet())
	run(t, buses.Run)
	return buses, name
}

func TestScanI2C(t *testing.T) {
	buses, name := onI2C(t)
	found, err := i2c.Scan(t.Context(), buses, name)
	if err != nil {
		t.Fatal(err)
	}
	sure := map[uint16]string{}
	for _, f := range found {
		t.Logf("%s: %q sure %v, kernel %q, others %v", f.Addr, f.Chip, f.Sure, f.Kernel, f.Others)
		if f.Sure {
			sure[f.Addr.Chip] = f.Chip
		}
	}
	if sure[0x76] != "bme280" {
		t.Errorf("0x76 is not named: %v", sure)
	}
	dev := bme280(t) // and it has not been upset
	dev.value(t, "temperature", func(drivers.Value) bool { return true })
}

// Many callers with stacks that grow and move, one bus: every answer arrives, and is the
// right one. (A transfer that keeps addresses of the stack loses one in a hundred here.)
func TestI2CTransfersUnderLoad(t *testing.T) {
	buses, name := onI2C(t)
	d, err := buses.Dev(i2c.Addr{Bus: name, Chip: 0x76})
	if err != nil {
		t.Fatal(err)
	}
	const callers, each = 16, 150
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrong := 0
	for range callers {
		wg.Go(func() {
			for i := range each {
				done := make(chan struct{})
				go func() { // a fresh stack each time
					defer close(done)
					id, err := deep(i%64, func() (byte, error) { return d.U8(context.Background(), 0xd0) })
					if err != nil || id != 0x60 {
						mu.Lock()
						wrong++
						t.Logf("0x%02x, %v", id, err)
						mu.Unlock()
					}
				}()
				<-done
			}
		})
	}
	wg.Wait()
	if wrong > 0 {
		t.Errorf("%d of %d transfers failed or were wrong", wrong, callers*each)
	}
}

// deep calls f with so many frames of stack above it.
func deep(n int, f func() (byte, error)) (byte, error) {
	var room [256]byte
	if n == 0 {
		return f()
	}
	room[n%len(room)] = byte(n)
	v, err := deep(n-1, f)
	return v + room[n%len(room)] - byte(n), err
}
