"""What happens before Spark starts: arguments, requirements, JARs, what is shipped. Imports no pyspark."""
