// Package powercut takes the power from a gateway under load on the virtual board, at hundreds of moments of one run,
// and looks whether every promise was kept. It has tests only.
//
// A run boots the board once: the gateway in it, its store on a disk that is as slow as an SD card and whose every
// write is logged, clients and an upstream on the host that reconnect while the disk is still busy with what they
// were about. All that they do goes into one ledger, each event with the length that the log had. Afterwards, for
// each cut: the disk as the cut left it, the gateway started on it, and clients and upstream that remember what the
// ledger knows of them at that length and go on. Then the ledger is judged: nothing that was acknowledged is lost,
// nothing of QoS 2 came twice, nothing that had ended came back, and what was dropped is counted.
//
//	make powercut                       500 images
//	make powercut IMAGES=20 FS=btrfs    another file system; needs a kernel that has it here and on the board
//
// A failure prints the cut's recipe and keeps the run; go test -powercut.run DIR -powercut.cut AT,MODE,SEED makes the
// same image again.
package powercut
