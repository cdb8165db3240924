package i2c

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers/i2c/i2ctest"
)

// scan scans a bus with these chips on it.
func scan(t *testing.T, prepare func(*i2ctest.Bus)) (found []Found, err error) {
	synctest.Test(t, func(t *testing.T) {
		fake := i2ctest.NewBus()
		prepare(fake)
		b := NewBusesOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return fake, nil })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		found, err = Scan(ctx, b, "1")
		cancel()
		<-ended
	})
	return found, err
}

func TestScanNamesChips(t *testing.T) {
	pcf := &i2ctest.PCF{Ports: 1, Low: 1}
	pcf.PowerOn()
	hdc1010 := i2ctest.NewHDC1080(0x6666, 0x8000)
	hdc1010.ID = 0x1000
	hdc1010.PowerOn()
	copied := i2ctest.NewMPU6050(0, 2048, 0)
	copied.ID = 0x98
	copied.PowerOn()
	found, err := scan(t, func(b *i2ctest.Bus) {
		b.Attach(0x18, i2ctest.NewMCP9808(0x0194))
		b.Attach(0x20, pcf)
		b.Attach(0x23, i2ctest.NewBH1750(100))
		b.Attach(0x40, i2ctest.NewINA226(0, 0))
		b.Attach(0x41, i2ctest.NewINA219(0, 0))
		b.Attach(0x44, i2ctest.NewSHT3x(0x6666, 0x8000))
		b.Attach(0x48, i2ctest.NewTMP102(0x1900))
		b.Attach(0x49, i2ctest.NewTMP117(0x0c80))
		b.Attach(0x4a, i2ctest.NewADS([]int{8, 16, 32, 64, 128, 250, 475, 860}, 1, func(int) int16 { return 0 }))
		b.Attach(0x4c, i2ctest.NewLM75(0x1900))
		b.Attach(0x42, hdc1010)
		b.Attach(0x68, copied)
		b.Attach(0x76, i2ctest.NewBME280(0x60, make([]byte, 26), make([]byte, 7), make([]byte, 8)))
		b.Attach(0x77, i2ctest.NewBME280(0x58, make([]byte, 26), make([]byte, 7), make([]byte, 8)))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found {
		got[fmt.Sprintf("0x%02x", f.Addr.Chip)] = fmt.Sprintf("%s %v", f.Chip, f.Sure)
	}
	for addr, want := range map[string]string{
		"0x18": "mcp9808 true", "0x20": " false", "0x23": " false", "0x40": "ina226 true", "0x41": "ina219 false",
		"0x44": " false", "0x48": "tmp102 false", "0x49": "tmp117 true", "0x4a": "ads1115 false", "0x4c": "lm75 false",
		"0x42": "hdc1080 true", "0x68": "mpu6050 true", "0x76": "bme280 true", "0x77": "bmp280 true",
	} {
		if got[addr] != want {
			t.Errorf("%s: %q, want %q", addr, got[addr], want)
		}
		delete(got, addr)
	}
	if len(got) != 0 {
		t.Errorf("also found %v", got)
	}
	for _, f := range found {
		if copied := f.Addr.Chip == 0x68; copied != (f.Note != "") {
			t.Errorf("0x%02x: note %q", f.Addr.Chip, f.Note)
		}
		if f.Addr.Chip == 0x23 && !strings.Contains(strings.Join(f.Others, " "), "bh1750") {
			t.Errorf("0x23 could be %v, and a bh1750", f.Others)
		}
	}
	if pcf.Pins() != 0xfffe {
		t.Errorf("the scan set an expander's pins to %04x", pcf.Pins())
	}
}

// The newer chips: those that can be asked are named, those that share their address with what
// takes any byte for a command are among those that it could be.
func TestScanNamesLaterChips(t *testing.T) {
	mpu6886 := i2ctest.NewMPU6050(0, 2048, 0)
	mpu6886.ID = 0x19
	mpu6886.PowerOn()
	for _, c := range []struct {
		addr uint16
		chip i2ctest.Chip
		name string
		sure bool
	}{
		{0x10, simulators["veml6075"](), "veml6075", true}, {0x28, simulators["bno055"](), "bno055", true},
		{0x29, simulators["bno055"](), "bno055", true}, {0x4c, simulators["emc2101"](), "emc2101", false},
		{0x56, simulators["qmp6988"](), "qmp6988", true}, {0x68, simulators["bmi160"](), "bmi160", true},
		{0x69, mpu6886, "mpu6050", true}, {0x6a, simulators["lsm6ds"](), "lsm6ds", true},
		{0x29, simulators["vl53l4cd"](), "", false}, {0x39, simulators["apds9960"](), "", false},
		{0x39, simulators["as7341"](), "", false}, {0x48, simulators["ads1110"](), "", false}, {0x40, simulators["ads1119"](), "", false},
		{0x70, simulators["qmp6988"](), "", false},
	} {
		found, err := scan(t, func(b *i2ctest.Bus) { b.Attach(c.addr, c.chip) })
		if err != nil || len(found) != 1 || found[0].Chip != c.name || found[0].Sure != c.sure {
			t.Errorf("0x%02x: %+v, %v; want %s", c.addr, found, err, c.name)
		}
	}
	found, _ := scan(t, func(b *i2ctest.Bus) { b.Attach(0x39, simulators["as7341"]()) })
	for _, name := range []string{"apds9960", "as7341", "veml6070", "tsl2561"} {
		if !strings.Contains(strings.Join(found[0].Others, " "), name) {
			t.Errorf("0x39 could be %v, and %s", found[0].Others, name)
		}
	}
}

// What a chip holds must be the same after a scan as before.
func TestScanChangesNothing(t *testing.T) {
	for addr := range uint16(0x80) {
		if addr < firstScanned || addr > lastScanned {
			continue
		}
		c := &strict{t: t, addr: addr}
		if _, err := scan(t, func(b *i2ctest.Bus) { b.Attach(addr, c) }); err != nil {
			t.Error(err)
		}
		if c.longest > 1 {
			t.Errorf("0x%02x was sent %d bytes; a second one is data", addr, c.longest)
		}
	}
}

// strict notes how much is written to it, and must not be written to at all where
// expanders, light sensors and multiplexers are.
type strict struct {
	t       *testing.T
	addr    uint16
	longest int
}

func (c *strict) PowerOn() {}
func (c *strict) Write(b []byte) error {
	c.longest = max(c.longest, len(b))
	switch a := c.addr; {
	case a >= 0x20 && a <= 0x27, a >= 0x38 && a <= 0x3f, a == 0x5c, a >= 0x70 && a <= 0x75:
		c.t.Errorf("0x%02x was written % x", a, b)
	}
	return nil
}
func (c *strict) Read(b []byte) error {
	for i := range b {
		b[i] = 0x55
	}
	return nil
}

// A multiplexer at 0x76 takes a register's number for its channels; it has them back.
func TestScanPutsMultiplexerBack(t *testing.T) {
	m := &i2ctest.PCF{Ports: 1}
	m.PowerOn()
	m.Write([]byte{0x05})
	if _, err := scan(t, func(b *i2ctest.Bus) { b.Attach(0x76, m) }); err != nil {
		t.Error(err)
	}
	if m.Pins()&0xff != 0x05 {
		t.Errorf("channels %08b, want 00000101", m.Pins()&0xff)
	}
}

func TestScanOfABrokenBus(t *testing.T) {
	if found, err := scan(t, func(b *i2ctest.Bus) { b.Stick(0) }); err == nil || !strings.Contains(err.Error(), "every address answers") {
		t.Errorf("line held low: %v, %v", found, err)
	}
	if found, err := scan(t, func(*i2ctest.Bus) {}); err != nil || len(found) != 0 {
		t.Errorf("empty bus: %v, %v", found, err)
	}
	if _, err := scan(t, func(b *i2ctest.Bus) { b.Fail(syscall.ETIMEDOUT) }); err == nil {
		t.Error("a bus that times out was called empty")
	}
}
