package redis

import "time"

// writer turns a snapshot into metrics.
type writer struct {
	output
	*families
	config *Config
	now    time.Time

	info     info
	facts    *facts
	commands map[string]commandStats // by command, of INFO
}

// write writes everything about a snapshot.
func (w *writer) write(s *snapshot) {
	w.exporter(s)
	if s.err != nil {
		return
	}
	w.info, w.facts = s.info, s.facts
	w.readCommandStats()
	w.server()
	w.commandStats()
	w.replication()
	databases := 0
	for _, a := range s.answers {
		err := a.err
		if err == nil {
			err = a.part.write(w, a.replies)
		}
		w.flag(w.partSuccess, err == nil, a.part.name)
		if a.part.name == "config" && err == nil {
			databases = configDatabases(a.replies)
		}
	}
	if isData(w.config, w.facts) && !hasClients(w.config, w.facts) && w.config.MaxClientSeries > 0 {
		w.add(w.clientsDropped, float64(w.facts.clients)) // CLIENT LIST was not asked for
	}
	w.keyspace(databases)
}
