package main

import (
	"github.com/spf13/cobra"
)

// newRoot is the table of contents of the program.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "sensorgate",
		Short:         "IoT edge gateway: sensors to MQTT, with a spool that survives outages",
		SilenceErrors: true, // main prints them
		SilenceUsage:  true,
		// Not with SetVersionTemplate: text/template calls methods by name, for which the linker
		// keeps every method of every type, 2 MB of them.
		Version: versionText(),
	}
	root.AddCommand(
		newVersion(),
		newRun(),
		newTopics(),
		newRoute(),
		newDiscovery(),
		newPub(),
		newSub(),
		newRR(),
		newStatus(),
		newHistory(),
		newPlan(),
		newSchema(),
		newFmt(),
		newInit(),
		newPasswd(),
		newWeb(),
		newReload(),
		newJournal(),
		newBackup(),
		newRestore(),
		newDemo(),
		newBench(),
		newMan(),
	)
	root.AddCommand(guard(
		newCheck(), newModel(), newScan(), newAdd(), newWatch(), newRead(), newDoctor(), newSniff(), newModbus(), newRecord(), newReplay(), newSimulate(),
	)...)
	usageErrors(root)
	return root
}
