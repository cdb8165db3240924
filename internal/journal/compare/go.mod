module sensorgate/internal/journal/compare

go 1.26.0

require (
	go.etcd.io/bbolt v1.4.3
	sensorgate v0.0.0
)

require golang.org/x/sys v0.49.0 // indirect

replace sensorgate => ../../..
