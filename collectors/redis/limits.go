package redis

// Bounds on what a server can make grow.
const (
	maxClusterNodes = 1000
	maxCommands     = 1000
	maxDatabases    = 1024
	maxEngines      = 64
	maxErrors       = 128 // as many as Redis keeps
	maxEvents       = 64
	maxIndexes      = 256 // of the search module
	maxMasters      = 256
	maxPeers        = 256 // sentinels
	maxReplicas     = 256
	maxSettings     = 1000

	maxName    = 256 // bytes of the name of a key that becomes a label
	maxValue   = 128 // bytes of the value of a key that becomes a label
	maxSetting = 128 // bytes of a parameter of the configuration that becomes a label
)
