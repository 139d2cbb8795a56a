"""Who is who: ids of channels become persons, ids become pseudonyms."""
