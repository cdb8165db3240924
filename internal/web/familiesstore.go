package web

import (
	"sensorgate/internal/history"
	"sensorgate/internal/status"
)

func journalFamilies(j *status.Journal, c *status.JournalCounts) []Family {
	syncs := Family{Name: "sensorgate_journal_sync_duration_seconds", Help: "How long commits took that were synced to the disk.", Type: "summary", Unit: "seconds"}
	syncs.Samples = []Sample{{"_sum", nil, c.SyncTime.Seconds()}, {"_count", nil, float64(c.SyncedCommits)}}
	free := gauge("journal_free_bytes", "What is free on the file system of the journal.", "bytes")
	if j.Dir != "" && j.Free >= 0 {
		free.Add(float64(j.Free))
	}
	return []Family{
		one(gauge("journal_up", "1 if the journal takes records.", ""), truth(j.Error == "")),
		one(gauge("journal_records", "Records that wait for somebody.", ""), float64(j.Records)),
		one(gauge("journal_bytes", "Bytes of those records.", "bytes"), float64(j.Bytes)),
		one(gauge("journal_disk_bytes", "Size of the journal's files.", "bytes"), float64(j.DiskBytes)),
		one(gauge("journal_limit_bytes", "What the files may have: size in [journal].", "bytes"), float64(j.Limit)),
		free,
		one(counter("journal_written_bytes", "Bytes written to the disk since the start.", "bytes"), float64(j.BytesWritten)),
		one(counter("journal_syncs", "Syncs since the start.", ""), float64(j.Syncs)),
		syncs,
		one(counter("journal_damaged_records", "Records lost to damage of the store.", ""), float64(j.Damaged)),
		one(counter("journal_torn_bytes", "Bytes of the torn end that were cut off at the start.", "bytes"), float64(c.TornBytes)),
		one(counter("clock_steps", "Steps of the wall clock by a minute and more.", ""), float64(j.ClockSteps)),
	}
}

func historyFamilies(st *history.Stats) []Family {
	oldest := gauge("history_oldest_timestamp_seconds", "How far back a tier of the history reaches.", "seconds")
	for _, t := range st.Oldest {
		if !t.From.IsZero() {
			oldest.Add(unixTime(t.From), "tier", t.Tier)
		}
	}
	return []Family{
		one(gauge("history_up", "1 if the history is written.", ""), truth(st.Problem == nil)),
		one(gauge("history_series", "Series with values that wait for the disk.", ""), float64(st.Series)),
		one(gauge("history_disk_bytes", "What the history takes on the disk.", "bytes"), float64(st.DiskBytes)),
		one(gauge("history_disk_limit_bytes", "What it may take there: size in [history].", "bytes"), float64(st.DiskLimit)),
		one(gauge("history_memory_bytes", "Values that wait for the disk.", "bytes"), float64(st.MemoryBytes)),
		one(gauge("history_memory_limit_bytes", "What may wait: memory in [history].", "bytes"), float64(st.MemoryLimit)),
		one(counter("history_written_bytes", "Bytes written to the disk since the start.", "bytes"), float64(st.Written)),
		one(counter("history_lost", "Values that gave way before they were written.", ""), float64(st.Lost)),
		one(counter("history_damaged_chunks", "Parts of the history that could not be read.", ""), float64(st.Damaged)),
		oldest,
	}
}
