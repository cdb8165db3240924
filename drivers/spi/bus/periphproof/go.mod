module periphproof

go 1.26.0

require (
	periph.io/x/conn/v3 v3.7.2
	periph.io/x/host/v3 v3.8.5
)
