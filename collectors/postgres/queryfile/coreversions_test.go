package queryfile

import (
	"strings"
	"testing"
)

// TestCoreStatements checks that each version of the server gets statements
// that fit its catalogs, for those that changed.
func TestCoreStatements(t *testing.T) {
	queries := map[string]*Query{}
	for _, q := range Core(CoreConfig{Enabled: func(string) bool { return true }}) {
		queries[q.Name] = q
	}
	tests := []struct {
		query         string
		from, to      int // majors
		with, without []string
	}{
		{"stat_bgwriter", 10, 16, []string{"checkpoints_timed", "buffers_backend_fsync"}, []string{"pg_stat_checkpointer"}},
		{"stat_bgwriter", 17, 18, []string{"pg_stat_checkpointer", "num_timed", "buffers_written"}, []string{"checkpoints_timed", "buffers_backend"}},
		{"stat_database", 10, 13, nil, []string{"active_time"}},
		{"stat_database", 14, 18, []string{"active_time"}, nil},
		{"replication_slot", 10, 12, nil, []string{"wal_status", "safe_wal_size"}},
		{"replication_slot", 13, 18, []string{"wal_status", "safe_wal_size"}, nil},
		{"stat_statements", 10, 12, []string{"s.total_time", "s.blk_read_time"}, []string{"total_exec_time"}},
		{"stat_statements", 13, 16, []string{"total_exec_time", "s.blk_read_time"}, []string{"s.total_time", "shared_blk"}},
		{"stat_statements", 17, 18, []string{"total_exec_time", "shared_blk_read_time"}, []string{"s.blk_read_time"}},
		{"stat_statements_query", 10, 12, []string{"total_time"}, []string{"total_exec_time"}},
		{"stat_statements_query", 13, 18, []string{"total_exec_time"}, nil},
	}
	for _, tt := range tests {
		for major := tt.from; major <= tt.to; major++ {
			sql := queries[tt.query].Statement(Version{major, 1})
			for _, s := range tt.with {
				if !strings.Contains(sql, s) {
					t.Errorf("%s on %d lacks %q", tt.query, major, s)
				}
			}
			for _, s := range tt.without {
				if strings.Contains(sql, s) {
					t.Errorf("%s on %d has %q", tt.query, major, s)
				}
			}
		}
	}
	for _, q := range queries {
		if q.Console {
			continue // Its columns are those that there are.
		}
		for major := 10; major <= 18; major++ {
			v := Version{major, 1}
			sql := q.Statement(v)
			for i := range q.Columns {
				if c := &q.Columns[i]; c.Versions.Contains(v) && !strings.Contains(sql, c.Name) {
					t.Errorf("%s on %d does not select %s", q.Name, major, c.Name)
				}
			}
		}
	}
}
