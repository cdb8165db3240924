package drivers

import (
	"fmt"
	"slices"
	"strings"
)

// Registry is the table of supported hardware. The zero value is empty and ready.
type Registry struct {
	drivers map[string]Driver
}

// Add enters d. It panics on a name that is there already or empty: the list is
// part of the program, not input.
func (r *Registry) Add(ds ...Driver) {
	for _, d := range ds {
		if _, twice := r.drivers[d.Name]; twice || d.Name == "" || d.Open == nil {
			panic(fmt.Sprintf("drivers: driver %q has no name, no Open, or is added twice", d.Name))
		}
		if r.drivers == nil {
			r.drivers = map[string]Driver{}
		}
		r.drivers[d.Name] = d
	}
}

// Lookup returns the driver called name. Its error lists which ones there are.
func (r *Registry) Lookup(name string) (Driver, error) {
	if d, ok := r.drivers[name]; ok {
		return d, nil
	}
	return Driver{}, fmt.Errorf("unknown driver %q (have %s)", name, strings.Join(r.Names(), ", "))
}

// Names lists all drivers, sorted.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.drivers))
	for name := range r.drivers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
