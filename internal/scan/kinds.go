package scan

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sensorgate/drivers/gpio"
	"sensorgate/drivers/i2c"
	"sensorgate/drivers/kernel"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/spi"
)

// BestName is the name of a port to write into a configuration.
func BestName(p serial.PortInfo) string {
	if len(p.Stable) > 0 {
		return p.Stable[0]
	}
	return p.Path
}

func (s *scanner) serial(context.Context) error {
	ports, err := serial.Ports()
	for _, p := range ports {
		where := BestName(p)
		f := Found{Kind: "serial", Where: where, Title: strings.TrimSpace(p.Path + "  " + p.Name), Name: "meter", Needs: "model",
			Text: fmt.Sprintf("serial = { port = %q }\n", where), Used: s.o.Used("serial", p.Path)}
		if f.Used == "" {
			f.Used = strings.Join(p.UsedBy, ", ")
		}
		s.to.Found(f)
	}
	return err
}

func (s *scanner) i2c(ctx context.Context) error {
	adapters, err := i2c.Adapters()
	if err != nil || len(adapters) == 0 {
		return err
	}
	scan := func(ctx context.Context, b *i2c.Buses) error {
		var faults []error
		for i, a := range adapters {
			s.to.Progress(Progress{"i2c", "bus " + strconv.Itoa(a.Number) + ", " + a.Name, i, len(adapters)})
			found, err := i2c.Scan(ctx, b, strconv.Itoa(a.Number))
			if err != nil {
				faults = append(faults, fmt.Errorf("bus %d: %w", a.Number, err))
			}
			for _, f := range found {
				s.to.Found(s.chip(f))
			}
		}
		return errors.Join(faults...)
	}
	if s.o.I2C != nil {
		return scan(ctx, s.o.I2C)
	}
	b := i2c.NewBuses(quiet)
	return During(ctx, b.Run, func(ctx context.Context) error { return scan(ctx, b) })
}

func (s *scanner) chip(c i2c.Found) Found {
	where := c.Addr.String()
	f := Found{Kind: "i2c", Where: where, Sure: c.Sure, Note: c.Note, Used: s.o.Used("i2c", where)}
	switch {
	case c.Kernel != "":
		f.Title, f.Used, f.Note = "a chip of the kernel's driver "+c.Kernel, "the kernel", `driver = "iio" or "hwmon"`
		return f
	case c.Chip == "" && len(c.Others) == 0:
		f.Title, f.Needs, f.Note = "a chip that is not known", "model", `driver = "i2c" describes one`
	case c.Chip == "":
		f.Title, f.Needs, f.Note = "a chip that cannot be asked who it is", "model", "it could be: "+strings.Join(c.Others, ", ")
	default:
		f.Title, f.Name = c.Chip, c.Chip
		f.Text = fmt.Sprintf("driver = %q\ni2c    = %q\n", c.Chip, where)
		if !c.Sure {
			f.Note = "probably; it could be: " + strings.Join(c.Others, ", ")
		}
		return f
	}
	f.Name, f.Text = "chip", fmt.Sprintf("i2c = %q\n", where)
	return f
}

func (s *scanner) spi(ctx context.Context) error {
	selects, err := spi.Selects()
	if err != nil || len(selects) == 0 {
		return err
	}
	scan := func(ctx context.Context, b *spi.Buses) error {
		var faults []error
		for i, a := range selects {
			where := a.String()
			s.to.Progress(Progress{"spi", "select " + where, i, len(selects)})
			out := Found{Kind: "spi", Where: where, Title: "a select", Name: "spi", Used: s.o.Used("spi", where), Needs: "model", Text: fmt.Sprintf("spi = %q\n", where)}
			if out.Used == "" {
				f, err := spi.Scan(ctx, b, a)
				if err != nil {
					faults = append(faults, fmt.Errorf("select %s: %w", where, err))
					continue
				}
				out.Sure, out.Note = f.Sure, f.Note
				if f.Chip != "" {
					out.Title, out.Name, out.Needs = f.Chip, f.Chip, ""
					out.Text = fmt.Sprintf("driver = %q\n", f.Chip) + out.Text
				}
			}
			s.to.Found(out)
		}
		return errors.Join(faults...)
	}
	if s.o.SPI != nil {
		return scan(ctx, s.o.SPI)
	}
	b := spi.NewBuses(quiet)
	return During(ctx, b.Run, func(ctx context.Context) error { return scan(ctx, b) })
}

// w1 lists the 1-Wire chips that the kernel knows.
func (s *scanner) w1(context.Context) error {
	probes, err := kernel.Probes()
	for _, p := range probes {
		s.to.Found(Found{Kind: "w1", Where: p.ID, Title: "a " + p.Chip + " on 1-Wire", Sure: true, Name: "probe", Used: s.o.Used("w1", p.ID), Text: fmt.Sprintf("driver = %q\n", p.Driver) + p.Keys})
	}
	return err
}

// gpio lists the lines with a name that nobody uses. It touches none.
func (s *scanner) gpio(context.Context) error {
	board, lines, err := gpio.NewChips(quiet).Scan()
	for _, l := range lines {
		if l.Name == "" || l.Used || board != "" && l.Pin == "" {
			continue
		}
		where := string(l.Ref)
		f := Found{Kind: "gpio", Where: where, Title: strings.TrimSpace("a free line  " + l.Pin), Name: "contact", Used: s.o.Used("gpio", where),
			Note: "a contact between the line and ground",
			Text: fmt.Sprintf("driver   = \"input\"\ngpio     = %q\npull     = \"up\"\nactive   = \"low\"\ndebounce = \"30ms\"\n", where)}
		s.to.Found(f)
	}
	return err
}
