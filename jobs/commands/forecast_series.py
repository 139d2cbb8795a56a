"""Forecast any series of a file: `forecast_series --file sales.csv --to FOLDER --horizon 12`.

Rows of series_id, ds, y, by hour to year; other columns are regressors, known for the periods to come as well. The
folder gets forecasts.csv, every model's points and intervals, and models.csv, how good each is and which is the
champion. Reads nothing of the lake. The models are those of [forecast].
"""

from __future__ import annotations

from promo_spark.flows.forecast_series import forecast_file
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--file": "CSV with a header: series_id, ds, y, and regressors; on the machine on which the driver runs",
    "--to": "the folder that gets the results, there as well",
    "--horizon": "how many periods to forecast",
    "[--frequency]": "hour, day, week, month, quarter or year; found from the times if left out",
    "[--season]": "periods of a season; if left out 24 of hours, 7 of days, 52 of weeks, 12, 4, or 1",
    "[--until]": "the first time that is not to be seen: values from then on judge the forecasts",
    "[--gaps]": "what a period without a row is: error if left out, zero, or keep: not known",
    "[--outliers]": "keep if left out, or cut: what is four robust deviations off its place in the season",
    "[--models]": "names of models with commas between them, such as AutoARIMA,Theta; those of [forecast] if left out",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return forecast_file(asked.arguments, asked.settings.forecast)


if __name__ == "__main__":
    main(run)
