CONFIGURED := yes
configured-only: ; true
