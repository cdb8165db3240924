package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// errField is a field that the range has no room for: a magnet beside the chip.
var errField = errors.New("the magnetic field is beyond the range (a magnet, or iron, beside the chip?)")

// fieldChannels are those of a compass, up to so many µT. The field of the earth has 25 to 65.
func fieldChannels(most float64) []drivers.Channel {
	var all []drivers.Channel
	for _, axis := range []string{"x", "y", "z"} {
		all = append(all, drivers.Channel{Name: axis, Unit: "µT", Min: -most, Max: most})
	}
	return all
}

// HMC5883L measures the magnetic field up to 130 µT. Registers, id and step as in ESPHome's
// component, read. With irq it measures on its own, 15 times a second; its pin DRDY is low for
// the 250 µs in which the registers are written: data sheet, "Pin configurations".
func HMC5883L(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      "hmc5883l",
		Summary:   "Honeywell HMC5883L: magnetic field",
		Addresses: []uint16{0x1e},
		Every:     10 * time.Second,
		Channels:  fieldChannels(200),
		Options:   chip.NoReadyOptions,
		IRQ:       chip.IRQ{Settle: 300 * time.Microsecond, Ready: true},
		Open:      openHMC5883L,
	}.On(b)
}

const hmcMode, hmcData, hmcStatus, hmcID = 0x02, 0x03, 0x09, 0x0a

func openHMC5883L(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions) (chip.Read, error) {
	const once, ready = 0x01, 0x01
	// The mean of eight, where after power-on there is no mean; 0.92 mG a step.
	settings := []setting{{0x00, true, 0xff, 0x70}, {0x01, true, 0xff, 0x20}}
	if o.IRQ != "" { // measures on its own, where after power-on it does not
		settings = append(settings, setting{hmcMode, true, 0x03, 0x00})
	}
	who, err := d.Reg(ctx, hmcID, 3)
	if err != nil {
		return nil, err
	}
	if string(who) != "H43" {
		return nil, chip.WrongChip("hmc5883l", uint32(who[0])<<16|uint32(who[1])<<8|uint32(who[2]), nil)
	}
	if err := writeSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	take := func(ctx context.Context) ([]float64, error) { return takeHMC5883L(ctx, d, settings) }
	if o.IRQ != "" {
		return take, nil
	}
	return func(ctx context.Context) ([]float64, error) {
		if _, err := d.Reg(ctx, hmcData, 6); err != nil { // so that what is ready is what follows
			return nil, err
		}
		if err := d.Write(ctx, hmcMode, once); err != nil {
			return nil, err
		}
		if err := awaitBits(ctx, d, hmcStatus, ready, 20*time.Millisecond); err != nil {
			return nil, err
		}
		return take(ctx)
	}, nil
}

func takeHMC5883L(ctx context.Context, d *bus.Dev, settings []setting) ([]float64, error) {
	b, err := d.Reg(ctx, hmcData, 6) // x, z, y, high byte first
	if err != nil {
		return nil, err
	}
	if err := checkSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	var out [3]float64
	for i, at := range []int{0, 4, 2} {
		raw := int16(uint16(b[at])<<8 | uint16(b[at+1]))
		if raw == -4096 {
			return nil, errField
		}
		out[i] = float64(raw) * 0.092
	}
	return out[:], nil
}

// QMC5883L measures the magnetic field up to 800 µT: GY-271, often sold as an HMC5883L, which
// is at another address. Registers and step as in ESPHome's component, the bit that has the pin
// DRDY tell (INT_ENB, 0 is on) as in dotnet/iot's Qmc5883l, read. DRDY is high until it is read.
func QMC5883L(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      "qmc5883l",
		Summary:   "QST QMC5883L: magnetic field",
		Addresses: []uint16{0x0d},
		Every:     10 * time.Second,
		Channels:  fieldChannels(1100),
		Options:   chip.NoReadyOptions,
		IRQ:       chip.IRQ{High: true, Ready: true},
		Open:      openQMC5883L,
	}.On(b)
}

const qmcData, qmcStatus, qmcControl, qmcControl2, qmcPeriod, qmcReady = 0x00, 0x06, 0x09, 0x0a, 0x0b, 0x01

func openQMC5883L(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions) (chip.Read, error) {
	// Measures on its own, ten times a second, up to 8 G, the mean of 512; 0 after power-on.
	settings := []setting{{qmcPeriod, true, 0xff, 0x01}, {qmcControl, true, 0xff, 0x11}}
	if err := d.Write(ctx, qmcControl2, 0x80); err != nil { // reset
		return nil, err
	}
	if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
		return nil, err
	}
	if o.IRQ != "" {
		settings = append(settings, setting{qmcControl2, true, 0x01, 0x00})
	}
	if err := writeSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	if o.IRQ == "" {
		return func(ctx context.Context) ([]float64, error) {
			// What lies there is read, which takes the flag away, and the next one taken.
			if _, err := d.Reg(ctx, qmcData, 6); err != nil {
				return nil, err
			}
			if err := awaitBits(ctx, d, qmcStatus, qmcReady, 110*time.Millisecond); err != nil {
				return nil, err
			}
			return takeQMC5883L(ctx, d, settings)
		}, nil
	}
	f := fresher()
	return func(ctx context.Context) ([]float64, error) {
		if ready, err := f.has(ctx, d, qmcStatus, qmcReady); err != nil || !ready {
			return nil, err
		}
		return takeQMC5883L(ctx, d, settings)
	}, nil
}

func takeQMC5883L(ctx context.Context, d *bus.Dev, settings []setting) ([]float64, error) {
	const over = 0x02
	b, err := d.Reg(ctx, qmcData, 7) // x, y, z, low byte first, and the flags
	if err != nil {
		return nil, err
	}
	if err := checkSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	if b[6]&over != 0 {
		return nil, errField
	}
	var out [3]float64
	for i := range out {
		out[i] = float64(int16(uint16(b[2*i+1])<<8|uint16(b[2*i]))) * 0.0333
	}
	return out[:], nil
}

// awaitBits waits until bits of a register are set.
func awaitBits(ctx context.Context, d *bus.Dev, reg, bits byte, pause time.Duration) error {
	for range 6 {
		if err := bus.Sleep(ctx, pause); err != nil {
			return err
		}
		got, err := d.U8(ctx, reg)
		if err != nil || got&bits == bits {
			return err
		}
		pause = pause/4 + time.Millisecond
	}
	return chip.ErrNoData
}
