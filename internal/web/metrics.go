package web

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Family is one metric with all its samples. Counters are named without _total: the
// format decides where it stands.
type Family struct {
	Name, Help string
	Type       string // counter, gauge, histogram, info
	Unit       string // the name's suffix: seconds, bytes; "" is none
	Samples    []Sample
}

// Sample is one number of a family.
type Sample struct {
	Suffix string   // of a histogram: _bucket, _sum, _count
	Labels []string // name, value, name, value
	Value  float64
}

// Add appends a sample.
func (f *Family) Add(value float64, labels ...string) {
	f.Samples = append(f.Samples, Sample{"", labels, value})
}

const (
	textFormat        = "text/plain; version=0.0.4; charset=utf-8"
	openMetricsFormat = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// WriteMetrics writes families in the Prometheus text format 0.0.4 or as OpenMetrics 1.0.
// A family without samples is left out, and a value that is not a number too.
func WriteMetrics(b *bytes.Buffer, families []Family, open bool) {
	for _, f := range families {
		if len(f.Samples) == 0 {
			continue
		}
		name, kind := f.Name, f.Type
		if !open {
			switch kind {
			case "counter":
				name += "_total"
			case "info":
				name, kind = name+"_info", "gauge"
			}
		}
		b.WriteString("# HELP " + name + " " + escapeHelp(f.Help) + "\n# TYPE " + name + " " + kind + "\n")
		if open && f.Unit != "" {
			b.WriteString("# UNIT " + name + " " + f.Unit + "\n")
		}
		suffix := ""
		if open && kind == "counter" {
			suffix = "_total"
		} else if open && kind == "info" {
			suffix = "_info"
		}
		for _, s := range f.Samples {
			if !math.IsNaN(s.Value) {
				writeSample(b, name+suffix+s.Suffix, s)
			}
		}
	}
	if open {
		b.WriteString("# EOF\n")
	}
}

func writeSample(b *bytes.Buffer, name string, s Sample) {
	b.WriteString(name)
	for i := 0; i+1 < len(s.Labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(s.Labels[i])
		b.WriteString(`="`)
		b.WriteString(escapeLabel(s.Labels[i+1]))
		b.WriteByte('"')
	}
	if len(s.Labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteByte(' ')
	b.Write(strconv.AppendFloat(b.AvailableBuffer(), s.Value, 'g', -1, 64))
	b.WriteByte('\n')
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func escapeHelp(s string) string  { return helpEscapes.Replace(s) }
func escapeLabel(s string) string { return labelEscapes.Replace(strings.ToValidUTF8(s, "�")) }

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	open := strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text")
	var b bytes.Buffer
	WriteMetrics(&b, s.families(), open)
	if open {
		w.Header().Set("Content-Type", openMetricsFormat)
	} else {
		w.Header().Set("Content-Type", textFormat)
	}
	w.Write(b.Bytes()) // an error is one of the connection
	return nil
}
