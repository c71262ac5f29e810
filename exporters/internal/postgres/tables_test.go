package postgres

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

const (
	// tablesMemory and tablesCPU are what the exporter may have and use for all
	// tables of a database of 5,001, 150,000 series.
	tablesMemory = 48 << 20
	tablesCPU    = time.Second
)

// TestManyTables shows all tables of a large database, and holds what the scrapes
// cost. Making the tables takes long, so it must be asked for: make tables-lab.
func TestManyTables(t *testing.T) {
	tables := os.Getenv("MANY_TABLES")
	if tables == "" {
		t.Skip("MANY_TABLES is not set")
	}
	server := realtest.Postgres(t, "max_locks_per_transaction=1000")
	server.CreateDatabase(t, "many", "DO $$ BEGIN FOR i IN 1.."+tables+" LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text)', i); END LOOP; END $$; ANALYZE")
	address := realtest.FreeAddress(t)
	cmd := exec.Command(realtest.Program(t, name), "--no-queries.dmarc", "--collector.stat_user_tables.limit="+tables, "--web.listen-address="+address)
	cmd.Env = append(os.Environ(), "DATA_SOURCE_NAME="+server.DSN("many"))
	exporter := realtest.Start(t, cmd)
	want := fmt.Sprintf("%s tables", tables)
	scrape := func() (got string, took time.Duration) {
		began := time.Now()
		resp, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return err.Error(), 0
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil {
			return err.Error(), 0
		}
		return fmt.Sprintf("%d tables", strings.Count(string(page), "\npg_stat_user_tables_table_size_bytes{")), time.Since(began)
	}
	realtest.Eventually(t, want, func() bool { got, _ := scrape(); return got == want })
	for range 10 {
		before := exporter.CPU(t)
		got, took := scrape()
		used := exporter.CPU(t) - before
		now, peak := exporter.Memory(t)
		t.Logf("%s in %v, processor time %v, resident %.1f MiB, at the peak %.1f", got, took.Round(time.Millisecond), used, float64(now)/(1<<20), float64(peak)/(1<<20))
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if used > tablesCPU || peak > tablesMemory {
			t.Errorf("processor time %v and %d bytes at the peak, want at most %v and %d", used, peak, tablesCPU, tablesMemory)
		}
	}
}
