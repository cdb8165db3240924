package broker

// SeqStep is the journal.Options.SeqStep of the journal under a broker: how many Seqs a
// crash skips at most.
//
// Packet ids of persistent sessions are made of Seqs modulo 65,535. A step of 2^20 moves
// them by 16 only, so that after a crash a new message soon had the id of one whose end
// was not on disk, and the PUBREL that was repeated for the old one released the new one.
// This step moves them by 65,535 times the golden section: the ids of many runs in a row
// lie far apart.
const SeqStep = 16*65535 + 40503
