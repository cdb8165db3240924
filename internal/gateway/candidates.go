package gateway

import (
	"fmt"
	"path/filepath"

	"sensorgate/drivers/modbus"
	"sensorgate/internal/config"
)

// Candidates returns the Modbus models that a device can be known to be of: those in the
// program, and the user's own beside the configuration in dir. All models are read for it,
// which is for a scan and not for a start.
func Candidates(catalogue config.Catalogue, dir string) (list []modbus.Candidate) {
	for _, name := range config.ModelNames(catalogue, dir) {
		text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = \"127.0.0.1:502\"\n", name)
		cfg, _ := config.LoadTexts([]config.Text{{Name: filepath.Join(dir, "candidate.toml"), Text: text}}, catalogue)
		if cfg == nil || len(cfg.Devices) != 1 {
			continue // not Modbus
		}
		if c, ok := modbus.CandidateOf(name, cfg.Devices[0].Config); ok {
			list = append(list, c)
		}
	}
	return list
}
