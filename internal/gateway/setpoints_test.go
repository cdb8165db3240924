package gateway

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/internal/config"
)

// loadModel loads a device of a model over TCP, with more keys of the user's own.
func loadModel(t *testing.T, model, addr, more string) config.Device {
	t.Helper()
	text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = %q\ntimeout = \"20s\"\n%s", model, addr, more)
	cfg, problems := config.LoadTexts([]config.Text{{Name: filepath.Join(t.TempDir(), "x.toml"), Text: text}}, wireCatalogue(t))
	if cfg == nil || len(cfg.Devices) != 1 {
		t.Fatalf("%s: %v", model, problems)
	}
	return cfg.Devices[0]
}

// command opens the device, sends one command, and closes it.
func command(t *testing.T, dev config.Device, channel, payload string) error {
	t.Helper()
	opened, err := dev.Driver.Open(t.Context(), dev.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.(io.Closer).Close()
	return opened.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: channel, Payload: []byte(payload)})
}

// wish returns a value that a set-point may have, and one that it may not.
func wish(c *modbus.Channel) (good, bad string) {
	if c.Map != nil {
		return c.Names()[len(c.Names())-1], "no such state"
	}
	return drivers.Number(*c.Max).String(), drivers.Number(*c.Max + 1).String()
}

// A set-point of a shipped model takes no command until the user's file says so; then what
// is in its range is written and read back, and what is not is refused.
func TestSetPointsTakeCommandsOnceTheUserSaysSo(t *testing.T) {
	tried := 0
	for _, m := range modbusModels(t) {
		for _, name := range m.SetPoints {
			tried++
			t.Run(strings.ReplaceAll(m.Name, "/", " ")+" "+name, func(t *testing.T) {
				t.Parallel() // they mostly wait
				addr := simulatedTCP(t, m.Name)
				plain := loadModel(t, m.Name, addr, "")
				at := slices.IndexFunc(plain.Config.Channels, func(c drivers.ChannelConfig) bool { return c.Name == name })
				c := plain.Config.Channels[at].Options.(*modbus.Channel)
				if c.Write || c.Map == nil && (c.Min == nil || c.Max == nil) {
					t.Fatalf("takes commands: %t, range %v to %v; want that it is read only and has a range", c.Write, c.Min, c.Max)
				}
				good, bad := wish(c)
				if err := command(t, plain, name, good); !errors.Is(err, drivers.ErrNoCommands) {
					t.Errorf("without write = true: %v", err)
				}
				dev := loadModel(t, m.Name, addr, fmt.Sprintf("channels.%s.write = true\n", name))
				if err := command(t, dev, name, good); err != nil {
					t.Errorf("%s: %v", good, err)
				}
				if err := command(t, dev, name, bad); !errors.Is(err, drivers.ErrRefused) {
					t.Errorf("%s: %v, want a refusal", bad, err)
				}
			})
		}
	}
	if tried < 20 {
		t.Errorf("only %d set-points were tried", tried)
	}
}
