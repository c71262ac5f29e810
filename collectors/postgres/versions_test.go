package postgres_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	dto "github.com/prometheus/client_model/go"

	"github.com/dmarc-suite/dmarc-suite/collectors/postgres"
	"github.com/dmarc-suite/dmarc-suite/collectors/postgres/queryfile"
	"github.com/dmarc-suite/dmarc-suite/internal/metrictest"
	"github.com/dmarc-suite/dmarc-suite/internal/realtest"
)

// The servers that TestVersions looks at.
const (
	onPrimary = iota
	onStandby
	onCutOff
	topologies
)

// versionsDoc is the matrix of versions, topologies and families.
const versionsDoc = "../../docs/metrics/postgres_versions.md"

// TestVersions compares what a primary, its standby and a standby that is cut off
// show with the names of postgres_exporter and with the matrix of the documents:
// for the version that is installed, or with VERSIONS_LAB for those in its folders,
// from which -update writes the matrix.
func TestVersions(t *testing.T) {
	lab := os.Getenv("VERSIONS_LAB")
	if lab == "" {
		t.Parallel()
		major, shown := testVersion(t, "")
		for where := range topologies {
			compareWithDoc(t, major, where, shown[where])
		}
		return
	}
	dirs, err := filepath.Glob(filepath.Join(lab, "[0-9]*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%s has no servers: %v", lab, err)
	}
	matrix := map[string]*[topologies][]int{}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			major, shown := testVersion(t, filepath.Join(dir, "native", "bin"))
			for where, names := range shown {
				for _, name := range names {
					if matrix[name] == nil {
						matrix[name] = &[topologies][]int{}
					}
					matrix[name][where] = append(matrix[name][where], major)
				}
			}
		})
	}
	metrictest.File(t, versionsMatrix(matrix), versionsDoc)
}

// testVersion runs servers of the programs in bin and returns the names that each
// shows. Each must have those that postgres_exporter has.
func testVersion(t *testing.T, bin string) (major int, shown [topologies][]string) {
	primary, standby := realtest.PostgresReplica(t, bin, "wal_level=logical", "autovacuum=on", "autovacuum_naptime=1s", "wal_sender_timeout=0")
	major, err := strconv.Atoi(strings.Split(primary.SQL(t, "postgres", "SHOW server_version")[0][0], ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	stop := occupy(t, primary, major)
	look := func(server *realtest.PostgresServer, where int, also func(map[string]*dto.MetricFamily) string) {
		t.Helper()
		var idle *pgconn.PgConn
		eventually(t, realtest.Patience, func() string {
			var err error
			if idle, err = pgconn.Connect(t.Context(), server.DSN("lab")); err != nil {
				return err.Error() // A standby has not got the database yet,
			}
			if err = idle.Exec(t.Context(), "SELECT FROM published").Close(); err != nil {
				_ = idle.Close(t.Context())
				return err.Error() // or what is in it.
			}
			return ""
		})
		if t.Failed() {
			t.FailNow()
		}
		defer idle.Close(t.Context())
		c := postgres.New(open(t, server.DSN("lab"), postgres.SessionsConfig{}), queryfile.Core(queryfile.CoreConfig{Enabled: all}), postgres.Config{})
		var families map[string]*dto.MetricFamily
		eventually(t, realtest.Patience, func() string {
			families = gatherFamilies(t, c)
			if missing := missingNames(t, families, major, where); missing != "" {
				return missing + " is missing"
			}
			return also(families)
		})
		if t.Failed() {
			t.FailNow()
		}
		for _, want := range upstreamNames(t, major, where) {
			want.check(t, families[want.name])
		}
		for _, m := range families["pg_scrape_collector_success"].GetMetric() {
			if m.GetGauge().GetValue() != 1 {
				t.Errorf("on %d: %s fails", major, m.Label[0].GetValue())
			}
		}
		shown[where] = namesOf(families)
	}
	look(primary, onPrimary, func(families map[string]*dto.MetricFamily) string {
		twins := 0
		for _, m := range families["pg_stat_replication_pg_current_wal_lsn_bytes"].GetMetric() {
			if m.Label[0].GetValue() == "twin" {
				twins++
			}
		}
		if missing := missingOwn(families, major); twins != 2 || missing != "" {
			return fmt.Sprintf("%d of 2 equal walsenders; %q is missing", twins, missing)
		}
		return ""
	})
	look(standby, onStandby, func(families map[string]*dto.MetricFamily) string {
		if value(families, "pg_replication_is_receiving") != 1 || value(families, "pg_replication_lag_seconds") != 0 {
			return fmt.Sprintf("the standby is behind: %v", families["pg_replication_lag_seconds"])
		}
		return ""
	})
	stop()
	primary.Shutdown()
	look(standby, onCutOff, func(families map[string]*dto.MetricFamily) string {
		if value(families, "pg_replication_is_receiving") != 0 || value(families, "pg_replication_lag_seconds") <= 0 {
			return fmt.Sprintf("the standby is not behind: %v", families["pg_replication_lag_seconds"])
		}
		return ""
	})
	return major, shown
}

// value returns the value of a gauge without labels, -1 if it is not there.
func value(families map[string]*dto.MetricFamily, name string) float64 {
	if f := families[name]; f != nil {
		return f.Metric[0].GetGauge().GetValue()
	}
	return -1
}

// namesOf returns the names of the families about a server, without its parameters.
func namesOf(families map[string]*dto.MetricFamily) (names []string) {
	for name := range families {
		if !strings.HasPrefix(name, "pg_settings_") && !strings.HasPrefix(name, "pg_scrape_collector_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// missingNames returns the first name of postgres_exporter that is not there.
func missingNames(t *testing.T, families map[string]*dto.MetricFamily, major, where int) string {
	for _, want := range upstreamNames(t, major, where) {
		if families[want.name] == nil {
			return want.name
		}
	}
	return ""
}

// missingOwn returns the first name that only we have and is not there.
func missingOwn(families map[string]*dto.MetricFamily, major int) string {
	for prefix, since := range map[string]int{
		"pg_stat_io_": 16, "pg_stat_slru_": 13, "pg_stat_wal_records_total": 14, "pg_stat_wal_write_total": 14, "pg_stat_subscription_workers": 12,
		"pg_stat_subscription_apply_errors_total": 15, "pg_stat_progress_create_index_phase": 12, "pg_stat_progress_analyze_phase": 13,
		"pg_stat_progress_copy_tuples_processed": 14, "pg_stat_progress_basebackup_phase": 13, "pg_stat_progress_cluster_phase": 12,
	} {
		if major >= since && !slices.ContainsFunc(namesOf(families), func(name string) bool { return strings.HasPrefix(name, prefix) }) {
			return prefix
		}
	}
	return ""
}

// upstreamNames reads the names of postgres_exporter that a server should show.
func upstreamNames(t *testing.T, major, where int) (out []metricShape) {
	t.Helper()
	f, err := os.Open(filepath.FromSlash("testdata/versions.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Split(lines.Text(), "\t")
		here := fields[3] == "all" || fields[3] == "primary" && where == onPrimary || fields[3] == "standby" && where == onStandby
		if here && inRange(fields[4], major) {
			out = append(out, metricShape{fields[0], fields[1], fields[2]})
		}
	}
	if len(out) == 0 {
		t.Fatal("there are no names")
	}
	return out
}

// inRange reports whether versions, such as 12–18 or 17, have a major.
func inRange(versions string, major int) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(versions, "–", "-"), ", ") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && first <= major && major <= last {
			return true
		}
	}
	return false
}

// versionsMatrix writes the matrix in Markdown.
func versionsMatrix(matrix map[string]*[topologies][]int) []byte {
	var b strings.Builder
	b.WriteString("# Metrics by version and role of a server\n\n<!-- Generated from real servers by `make versions-lab`. Do not edit. -->\n\n")
	b.WriteString("What was seen with all collectors enabled, by version of PostgreSQL, on a primary that is busy, on its standby, and on\nthe standby after the primary was gone. The parameters (`pg_settings_*`) are left out.\n\n")
	b.WriteString("| metric | primary | standby | standby that is cut off |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(matrix)) {
		fmt.Fprintf(&b, "| `%s`", name)
		for where := range topologies {
			fmt.Fprintf(&b, " | %s", ranges(matrix[name][where]))
		}
		b.WriteString(" |\n")
	}
	return []byte(b.String())
}

// ranges writes ascending numbers as 12–14, 17.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "–" + strconv.Itoa(numbers[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ", ")
}

// compareWithDoc compares what a server of a version shows with the matrix.
func compareWithDoc(t *testing.T, major, where int, shown []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(versionsDoc))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != topologies+1 || !strings.HasPrefix(cells[0], "| `") {
			continue
		}
		rows++
		name := strings.Trim(cells[0], "| `")
		if want := inRange(strings.Trim(cells[where+1], " |"), major); want != slices.Contains(shown, name) {
			t.Errorf("%s on %d, server %d: shown is %t, documented %t (run make versions-lab)", name, major, where, !want, want)
		}
	}
	if rows < 100 {
		t.Errorf("the matrix has %d rows", rows)
	}
}
