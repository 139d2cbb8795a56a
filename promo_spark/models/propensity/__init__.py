"""What users do by themselves: models of it, chosen, calibrated, explained."""
